import { expect } from 'chai'
import { MultiMap } from '@wazo-websocketd/edge/session/multi-map'
import { Revocations } from '@wazo-websocketd/edge/session/revocations'
import { ConnectionTable } from '@wazo-websocketd/edge/session/connection-table'
import { FakeClock } from '../../../support/fakes/clock.js'
import { FakeConnection } from '../../../support/fakes/session.js'

const LIMITS = { connectionsPerWorker: 3, connectionsPerToken: 2, connectionsPerUser: 1, connectionsPerIp: 2 }

describe('Roster', () => {
  it('counts by worker, token, user and address, and forgets those that leave', () => {
    const connections = new ConnectionTable(LIMITS, new FakeClock())
    const members = [
      new FakeConnection('t', { sessionUuid: 's', userUuid: 'u' }),
      new FakeConnection('t'),
      new FakeConnection('x'),
    ]
    for (const member of members) connections.add(member.real)
    const counts = () => [
      connections.size,
      connections.workerIsFull(),
      connections.tokenIsFull('t'),
      connections.tokenIsFull('x'),
      connections.userIsFull('u'),
      connections.addressIsFull('192.0.2.1'),
    ]
    expect(counts()).to.deep.equal([3, true, true, false, true, true])
    for (const member of members) connections.remove(member.real)
    expect(counts()).to.deep.equal([0, false, false, false, false, false])
    expect([...connections.all()]).to.deep.equal([])
    expect([...connections.tokens()]).to.deep.equal([])
  })

  it('does not limit users and addresses unless asked to', () => {
    const connections = new ConnectionTable(
      { ...LIMITS, connectionsPerUser: null, connectionsPerIp: null },
      new FakeClock(),
    )
    for (let i = 0; i < 5; i++)
      connections.add(new FakeConnection('t', { sessionUuid: 's', userUuid: 'u' }).real)
    expect([connections.userIsFull('u'), connections.addressIsFull('192.0.2.1')]).to.deep.equal([
      false,
      false,
    ])
  })

  it('revokes exactly the sessions of that uuid', () => {
    const connections = new ConnectionTable(LIMITS, new FakeClock())
    const [a, b, unknown] = [
      new FakeConnection('a', { sessionUuid: 's1', userUuid: 'u' }),
      new FakeConnection('b', { sessionUuid: 's2', userUuid: 'u' }),
      new FakeConnection('c'),
    ]
    for (const member of [a, b, unknown]) connections.add(member.real)
    connections.revoke('s1', 2, 77)
    expect([a, b, unknown].map(({ revocations }) => revocations)).to.deep.equal([[[2, 77]], [], []])
    expect([connections.isRevoked('s1'), connections.isRevoked('s2')]).to.deep.equal([true, false])
  })

  it('lists the connections of a token together', () => {
    const connections = new ConnectionTable(LIMITS, new FakeClock())
    const [a, b, c] = [new FakeConnection('t'), new FakeConnection('x'), new FakeConnection('t')]
    for (const member of [a, b, c]) connections.add(member.real)
    expect([...connections.tokens()]).to.deep.equal([[a, c], [b]])
  })
})

describe('Groups', () => {
  it('keeps any number of members per key, each once', () => {
    const groups = new MultiMap<object>()
    const [a, b, c] = [{}, {}, {}]
    for (const member of [a, a, b, b, c]) groups.add('k', member)
    expect(groups.get('k')).to.deep.equal([a, b, c])
    expect(groups.count('k')).to.equal(3)
    for (const member of [b, b, a]) groups.remove('k', member)
    expect(groups.get('k')).to.deep.equal([c])
    groups.remove('k', c)
    groups.remove('k', c)
    expect([groups.count('k'), groups.get('k')]).to.deep.equal([0, []])
  })

  it('leaves a single member alone when another one is removed', () => {
    const groups = new MultiMap<object>()
    const a = {}
    groups.add('k', a)
    groups.remove('k', {})
    expect(groups.get('k')).to.deep.equal([a])
  })

  it('can be changed while it is walked', () => {
    const groups = new MultiMap<object>()
    const members = [{}, {}, {}]
    members.forEach((member, at) => groups.add(String(at), member))
    const seen: object[] = []
    for (const [member] of groups.each()) {
      seen.push(member!)
      groups.remove('0', members[0]!)
      groups.remove('1', members[1]!)
    }
    expect(seen).to.deep.equal([members[0], members[2]])
  })
})

describe('Revocations', () => {
  it('remembers for sixty seconds', () => {
    const clock = new FakeClock()
    const revocations = new Revocations(clock)
    revocations.add('a')
    clock.advance(59_999)
    expect(revocations.has('a')).to.equal(true)
    clock.advance(1)
    expect(revocations.has('a')).to.equal(false)
  })

  it('counts anew from a repetition', () => {
    const clock = new FakeClock()
    const revocations = new Revocations(clock)
    revocations.add('a')
    clock.advance(50_000)
    revocations.add('a')
    clock.advance(50_000)
    expect(revocations.has('a')).to.equal(true)
  })

  it('forgets what is over, and is bounded', () => {
    const clock = new FakeClock()
    const revocations = new Revocations(clock)
    revocations.add('old')
    clock.advance(60_000)
    revocations.add('new')
    expect(revocations.size).to.equal(1)
    for (let i = 0; i < 100_001; i++) revocations.add(String(i))
    expect(revocations.size).to.equal(100_000)
    expect([revocations.has('0'), revocations.has('100000')]).to.deep.equal([false, true])
  })
})
