import { decodeDrainNotice, encodeDrainNotice } from '@wazo-websocketd/edge/drain/drain-notice'
import { hashToken } from '@wazo-websocketd/shared/runtime/token-hash'
import { expect } from 'chai'
import * as fc from 'fast-check'

describe('a drain notice', () => {
  it('says whose sessions it lets go', () => {
    expect(decodeDrainNotice(encodeDrainNotice(hashToken('abc')))).to.equal(hashToken('abc'))
  })

  it('that this version does not know is null', () => {
    for (const message of ['', 'abc', `${hashToken('abc')} 2`, `leave ${hashToken('abc')}`, 'G'.repeat(64)])
      expect(decodeDrainNotice(message)).to.equal(null)
    fc.assert(fc.property(fc.string(), (message) => decodeDrainNotice(message) === null))
  })
})
