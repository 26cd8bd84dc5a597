import { ACL_PATTERN_MAX_BYTES, ACL_PATTERNS_MAX, aclExcess } from '@wazo-websocketd/edge/auth/acl-limits'
import { expect } from 'chai'

describe('limits of an ACL', () => {
  it('accept an ACL that just meets them', () => {
    expect(aclExcess([])).to.equal(null)
    expect(aclExcess(Array<string>(ACL_PATTERNS_MAX).fill('a'.repeat(ACL_PATTERN_MAX_BYTES)))).to.equal(null)
  })

  it('name the number of patterns', () => {
    expect(aclExcess(Array<string>(ACL_PATTERNS_MAX + 1).fill('a'))).to.equal(
      'ACL of more than 5000 patterns',
    )
  })

  it('name the size of a pattern, in bytes', () => {
    expect(aclExcess(['a', 'a'.repeat(513)])).to.equal('ACL pattern of more than 512 bytes')
    expect(aclExcess(['é'.repeat(257)])).to.equal('ACL pattern of more than 512 bytes')
    expect(aclExcess(['é'.repeat(256)])).to.equal(null)
  })
})
