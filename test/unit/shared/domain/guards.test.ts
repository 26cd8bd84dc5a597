import { expect } from 'chai'
import { isBuffers, isRecord, isStrings, parseJson } from '@wazo-websocketd/shared/domain/guards'

describe('guards', () => {
  it('take objects for records, but neither arrays nor null nor scalars', () => {
    expect([{}, { a: 1 }].map(isRecord)).to.deep.equal([true, true])
    expect([[], null, undefined, 'text', 1].map(isRecord)).to.deep.equal(Array(5).fill(false))
  })

  it('take arrays for strings when all of their items are', () => {
    expect([[], ['a', 'b']].map(isStrings)).to.deep.equal([true, true])
    expect([['a', 1], 'ab', { 0: 'a', length: 1 }, null].map(isStrings)).to.deep.equal(Array(4).fill(false))
  })

  it('take arrays for buffers when all of their items are', () => {
    expect([[], [Buffer.from('a')]].map(isBuffers)).to.deep.equal([true, true])
    expect([[Buffer.from('a'), 'a'], [new Uint8Array(1)], null].map(isBuffers)).to.deep.equal([
      false,
      false,
      false,
    ])
  })

  it('read JSON, and nothing else', () => {
    expect(['null', '[1]', ' {"a":1} '].map(parseJson)).to.deep.equal([null, [1], { a: 1 }])
    expect(['', 'undefined', '{a:1}', '1 2'].map(parseJson)).to.deep.equal(Array(4).fill(undefined))
  })
})
