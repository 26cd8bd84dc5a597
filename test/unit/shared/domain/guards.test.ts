import { expect } from 'chai'
import { isRecord, isStrings } from '@wazo-websocketd/shared/domain/guards'

describe('guards', () => {
  it('take objects for records, but neither arrays nor null nor scalars', () => {
    expect([{}, { a: 1 }].map(isRecord)).to.deep.equal([true, true])
    expect([[], null, undefined, 'text', 1].map(isRecord)).to.deep.equal(Array(5).fill(false))
  })

  it('take arrays for strings when all of their items are', () => {
    expect([[], ['a', 'b']].map(isStrings)).to.deep.equal([true, true])
    expect([['a', 1], 'ab', { 0: 'a', length: 1 }, null].map(isStrings)).to.deep.equal(Array(4).fill(false))
  })
})
