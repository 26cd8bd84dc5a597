import { MultiMap } from '@wazo-websocketd/edge/session/multi-map'
import { expect } from 'chai'

describe('groups', () => {
  it('count their members, each once, and forget keys without any', () => {
    const groups = new MultiMap<object>()
    const [a, b] = [{}, {}]
    for (const [key, member] of [
      ['x', a],
      ['x', a],
      ['x', b],
      ['x', b],
      ['y', b],
    ] as const)
      groups.add(key, member)
    expect([groups.size, groups.count('x'), groups.count('y')]).to.deep.equal([3, 2, 1])
    groups.remove('x', a)
    groups.remove('x', a)
    groups.remove('y', a)
    expect([groups.size, groups.get('x'), groups.get('y')]).to.deep.equal([2, [b], [b]])
    groups.remove('x', b)
    groups.remove('y', b)
    groups.remove('z', b)
    expect([groups.size, [...groups.each()]]).to.deep.equal([0, []])
  })
})
