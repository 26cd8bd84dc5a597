import { expect } from 'chai'
import { ConnectionTable } from '@wazo-websocketd/edge/session/connection-table'
import { FakeClock } from '../../../support/fakes/clock.js'
import { FakeConnection } from '../../../support/fakes/session.js'

const LIMITS = { connectionsPerWorker: 3, connectionsPerToken: 2, connectionsPerUser: 1, connectionsPerIp: 2 }

describe('ConnectionTable', () => {
  it('counts by worker, token, user and address, and forgets those that are removed', () => {
    const connections = new ConnectionTable(LIMITS, new FakeClock())
    const all = [
      new FakeConnection('t', { sessionUuid: 's', userUuid: 'u' }),
      new FakeConnection('t'),
      new FakeConnection('x'),
    ]
    for (const connection of all) connections.add(connection.real)
    const counts = () => [
      connections.size,
      connections.workerIsFull(),
      connections.tokenIsFull('t'),
      connections.tokenIsFull('x'),
      connections.userIsFull('u'),
      connections.addressIsFull('192.0.2.1'),
    ]
    expect(counts()).to.deep.equal([3, true, true, false, true, true])
    for (const connection of all) connections.remove(connection.real)
    expect(counts()).to.deep.equal([0, false, false, false, false, false])
    expect([...connections.all()]).to.deep.equal([])
    expect([...connections.tokenGroups()]).to.deep.equal([])
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
    for (const connection of [a, b, unknown]) connections.add(connection.real)
    connections.revoke('s1', 2, 77)
    expect([a, b, unknown].map(({ revocations }) => revocations)).to.deep.equal([[[2, 77]], [], []])
    expect([connections.isRevoked('s1'), connections.isRevoked('s2')]).to.deep.equal([true, false])
  })

  it('lists the connections of a token together', () => {
    const connections = new ConnectionTable(LIMITS, new FakeClock())
    const [a, b, c] = [new FakeConnection('t'), new FakeConnection('x'), new FakeConnection('t')]
    for (const connection of [a, b, c]) connections.add(connection.real)
    expect([...connections.tokenGroups()]).to.deep.equal([[a, c], [b]])
  })
})
