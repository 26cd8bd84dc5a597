import { hashTag, hashToken } from '@wazo-websocketd/shared/runtime/token-hash'
import { expect } from 'chai'

describe('the hash of a token', () => {
  it('is its SHA-256 in hex', () => {
    expect(hashToken('abc')).to.equal('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
  })

  it('is shown in logs by its first 8 digits', () => {
    expect(hashTag(hashToken('abc'))).to.equal('ba7816bf')
  })
})
