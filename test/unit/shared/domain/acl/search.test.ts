import { indexWithin } from '@wazo-websocketd/shared/domain/acl/search'
import { expect } from 'chai'
import fc from 'fast-check'

describe('acl-search: a needle within a part of a text', () => {
  it('is found where String.indexOf finds it, and never outside the part', () => {
    const letters = (min: number, max: number) =>
      fc.array(fc.constantFrom('a', 'b'), { minLength: min, maxLength: max }).map((l) => l.join(''))
    let found = 0
    fc.assert(
      fc.property(letters(0, 60), letters(0, 14), fc.nat(60), fc.nat(60), (text, needle, x, y) => {
        const from = Math.min(x, y, text.length)
        const to = Math.min(Math.max(x, y), text.length)
        const at = text.slice(from, to).indexOf(needle)
        if (at >= 0) found++
        expect(indexWithin(text, needle, from, to)).to.equal(at < 0 ? -1 : from + at)
      }),
      { numRuns: 5_000 },
    )
    expect(found).to.be.above(500)
  })

  it('is found when long and much like itself', () => {
    const needle = 'a'.repeat(200) + 'b'
    expect(indexWithin('a'.repeat(5_000) + 'b', needle, 0, 5_001)).to.equal(4_800)
    expect(indexWithin('a'.repeat(5_000) + 'b', needle, 0, 5_000)).to.equal(-1)
    expect(indexWithin('abaabaabab', 'abaabab', 0, 10)).to.equal(3)
    expect(indexWithin('aabaabaaabaabaab', 'aabaabaab', 0, 16)).to.equal(7)
  })
})
