import { MultiMap } from '@wazo-websocketd/edge/session/multi-map'
import { expect } from 'chai'

describe('MultiMap', () => {
  it('counts its members, each once per key, and forgets keys without any', () => {
    const map = new MultiMap<object>()
    const [a, b] = [{}, {}]
    for (const [key, member] of [
      ['x', a],
      ['x', a],
      ['x', b],
      ['x', b],
      ['y', b],
    ] as const)
      map.add(key, member)
    expect([map.size, map.count('x'), map.count('y')]).to.deep.equal([3, 2, 1])
    map.remove('x', a)
    map.remove('x', a)
    map.remove('y', a)
    expect([map.size, map.get('x'), map.get('y')]).to.deep.equal([2, [b], [b]])
    map.remove('x', b)
    map.remove('y', b)
    map.remove('z', b)
    expect([map.size, [...map.each()]]).to.deep.equal([0, []])
  })

  it('keeps any number of members per key, each once', () => {
    const map = new MultiMap<object>()
    const [a, b, c] = [{}, {}, {}]
    for (const member of [a, a, b, b, c]) map.add('k', member)
    expect(map.get('k')).to.deep.equal([a, b, c])
    expect(map.count('k')).to.equal(3)
    for (const member of [b, b, a]) map.remove('k', member)
    expect(map.get('k')).to.deep.equal([c])
    map.remove('k', c)
    map.remove('k', c)
    expect([map.count('k'), map.get('k')]).to.deep.equal([0, []])
  })

  it('leaves a single member alone when another one is removed', () => {
    const map = new MultiMap<object>()
    const a = {}
    map.add('k', a)
    map.remove('k', {})
    expect(map.get('k')).to.deep.equal([a])
  })

  it('can be changed while it is walked', () => {
    const map = new MultiMap<object>()
    const members = [{}, {}, {}]
    members.forEach((member, at) => map.add(String(at), member))
    const seen: object[] = []
    for (const [member] of map.each()) {
      seen.push(member!)
      map.remove('0', members[0]!)
      map.remove('1', members[1]!)
    }
    expect(seen).to.deep.equal([members[0], members[2]])
  })
})
