import { aclExcess } from '@wazo-websocketd/edge/auth/acl-limits'
import { expect } from 'chai'

const LIMITS = { patternsMax: 3, patternBytesMax: 512 }

describe('limits of an ACL', () => {
  it('accept an ACL that just meets them', () => {
    expect(aclExcess([], LIMITS)).to.equal(null)
    expect(aclExcess(Array<string>(3).fill('a'.repeat(512)), LIMITS)).to.equal(null)
  })

  it('name the number of patterns', () => {
    expect(aclExcess(Array<string>(4).fill('a'), LIMITS)).to.equal('ACL of more than 3 patterns')
  })

  it('name the size of a pattern, in bytes', () => {
    expect(aclExcess(['a', 'a'.repeat(513)], LIMITS)).to.equal('ACL pattern of more than 512 bytes')
    expect(aclExcess(['é'.repeat(257)], LIMITS)).to.equal('ACL pattern of more than 512 bytes')
    expect(aclExcess(['é'.repeat(256)], LIMITS)).to.equal(null)
  })
})
