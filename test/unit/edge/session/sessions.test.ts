import { expect } from 'chai'
import { event, MASTER, Worker, type Client } from '../../../support/fakes/session.js'

const subscribe = (name: string) => ({ op: 'subscribe', data: { event_name: name } })
const renew = (token: string) => ({ op: 'token', data: { token } })

/** Nothing is left of any session (invariant I8). */
function expectNothingLeft(worker: Worker): void {
  expect(worker.bus.openLeases, 'leases').to.equal(0)
  expect(worker.watch.open, 'watches').to.equal(0)
  expect(worker.index.recipients.size, 'registered').to.equal(0)
  expect(worker.sessions.connections.size, 'table').to.equal(0)
  expect(worker.clock.pending, 'timers').to.equal(0)
  expect(worker.metrics.open, 'connections').to.equal(0)
  expect(worker.metrics.live, 'subscriptions').to.equal(0)
  expect(
    worker.watch.watches.every(({ stopped }) => stopped === 1),
    'watches stopped once',
  ).to.equal(true)
}

describe('Sessions', () => {
  describe('admission', () => {
    it('checks version, token, readiness, limits, token format in this order', async () => {
      const worker = new Worker({ connectionsPerToken: 1 })
      worker.auth.mint('good')
      await worker.connect('good')
      worker.bus.missingParts = ['no ingest is up']
      const codes: (number | undefined)[] = []
      for (const url of ['/?version=3', '/?version=2', '/?token=bad%2F', '/?token=good'])
        codes.push(worker.upgrade(url).socket.closeCode)
      worker.bus.missingParts = []
      for (const url of ['/?token=good', '/?token=bad%2F']) codes.push(worker.upgrade(url).socket.closeCode)
      expect(codes).to.deep.equal([4004, 4001, 1013, 1013, 1008, 4002])
      expect(worker.metrics.rejections).to.deep.equal([
        'version',
        'no-token',
        'not-ready',
        'not-ready',
        'token-limit',
        'token-format',
      ])
      expect(worker.auth.asked).to.deep.equal(['good'])
    })

    it('asks wazo-auth about sessions first, and no more about clients that have gone', async () => {
      const worker = new Worker()
      for (const token of ['a', 'b', 'c']) worker.auth.mint(token)
      const client = await worker.start('a')
      const gone = await worker.start('c')
      worker.auth.waiting = true
      const newcomer = worker.upgrade('/?token=b')
      client.op(renew('b'))
      gone.op(renew('a'))
      newcomer.listener.closed(1006)
      gone.listener.closed(1006)
      expect(worker.auth.priorities).to.deep.equal(['connect', 'connect', 'connect', 'session', 'session'])
      expect(worker.auth.withdrawn).to.deep.equal(['b', 'a'])
      worker.auth.answer()
      await worker.settle()
      client.listener.closed(1000)
      expect(worker.auth.withdrawn, 'not what was answered').to.deep.equal(['b', 'a'])
    })

    it('is not ready before the master tenant is known', () => {
      const worker = new Worker()
      worker.masterTenant = undefined
      expect(worker.upgrade('/?token=a').socket.closes[0]).to.include({
        code: 1013,
        reason: 'try again later',
      })
    })

    it('ignores what a client says that was turned away', () => {
      const worker = new Worker()
      const client = worker.upgrade('/')
      client.op({ op: 'start' })
      client.listener.binary()
      client.listener.closed(1006)
      expect(client.socket.closes).to.have.length(1)
      expect(worker.metrics.closedWith).to.deep.equal([])
    })

    it('closes with 1013 when the worker is full', async () => {
      const worker = new Worker({ connectionsPerWorker: 2 })
      worker.auth.mint('a')
      await worker.connect('a')
      const second = await worker.connect('a')
      expect(worker.upgrade('/?token=a').socket.closeCode).to.equal(1013)
      second.listener.closed(1000)
      expect((await worker.connect('a')).socket.closes).to.deep.equal([])
    })

    it('counts connections per token also while wazo-auth is being asked', () => {
      const worker = new Worker({ connectionsPerToken: 2 })
      worker.auth.waiting = true
      worker.upgrade('/?token=a')
      worker.upgrade('/?token=a')
      expect(worker.upgrade('/?token=a').socket.closes[0]).to.include({
        code: 1008,
        reason: 'too many connections per token',
      })
    })

    it('limits connections per address when asked to', () => {
      const worker = new Worker({ connectionsPerIp: 1 })
      worker.upgrade('/?token=a', '192.0.2.1')
      expect(worker.upgrade('/?token=b', '192.0.2.1').socket.closeCode).to.equal(1008)
      expect(worker.upgrade('/?token=c', '192.0.2.2').socket.closeCode).to.equal(undefined)
    })

    it('limits connections per user when asked to', async () => {
      const worker = new Worker({ connectionsPerUser: 1 })
      worker.auth.mint('a')
      worker.auth.mint('b')
      worker.auth.mint('c', { userUuid: 'user-2' })
      await worker.connect('a')
      expect((await worker.connect('b')).socket.closes[0]).to.include({
        code: 1008,
        reason: 'too many connections per user',
      })
      expect((await worker.connect('c')).socket.closes).to.deep.equal([])
    })

    for (const [kind, code] of [
      ['invalid', 4002],
      ['unavailable', 1013],
    ] as const)
      it(`answers a token that is ${kind} with ${code} and keeps nothing`, async () => {
        const worker = new Worker()
        worker.auth.tokens.set('a', { kind })
        const client = await worker.connect('a')
        expect(client.socket.closeCode).to.equal(code)
        client.listener.closed(code)
        expectNothingLeft(worker)
      })

    it('answers 1013 when the master tenant was lost while wazo-auth was asked', async () => {
      const worker = new Worker()
      worker.auth.mint('a')
      worker.auth.waiting = true
      const client = await worker.connect('a')
      worker.masterTenant = undefined
      worker.auth.answer()
      await worker.settle()
      expect(client.socket.closeCode).to.equal(1013)
    })
  })

  describe('the path of a session', () => {
    it('goes from init over subscribe and start to events, in both versions', async () => {
      const worker = new Worker()
      worker.auth.mint('a')
      const v1 = await worker.connect('a', 1)
      const v2 = await worker.connect('a', 2)
      for (const client of [v1, v2]) {
        client.op(subscribe('foo'))
        client.op({ op: 'start' })
      }
      await worker.settle()
      worker.index.route(event(11, { text: '{"n": 12345678901234567890, "x":1.0}' }))
      worker.index.route(event(12, { name: 'bar' }))
      worker.flush()
      expect(v1.socket.texts).to.deep.equal([
        '{"op":"init","code":0,"data":{"version":1}}',
        '{"op":"subscribe","code":0,"data":null}',
        '{"op":"start","code":0,"data":null}',
        '{"n": 12345678901234567890, "x":1.0}',
      ])
      expect(v2.socket.texts).to.deep.equal([
        '{"op":"init","code":0,"data":{"version":2}}',
        '{"op":"subscribe","code":0,"data":null}',
        '{"op":"start","code":0,"data":null}',
        '{"op":"event","code":0,"data":{"n": 12345678901234567890, "x":1.0}}',
      ])
    })

    it('registers a session in the tick in which start is answered, not before the bus is live', async () => {
      const worker = new Worker()
      worker.auth.mint('a')
      worker.bus.waiting = true
      const client = await worker.connect('a')
      client.op(subscribe('foo'))
      client.op({ op: 'start' })
      client.op({ op: 'ping', data: { payload: 1 } })
      await worker.settle()
      expect(client.socket.messages.at(-1)).to.include({ op: 'subscribe' })
      worker.index.route(event(11))
      expect(worker.index.recipients.size).to.equal(0)
      worker.bus.goLive()
      await worker.settle()
      expect(client.socket.messages.slice(-2)).to.deep.equal([
        { op: 'start', code: 0, data: null },
        { op: 'pong', code: 0, data: { payload: 1 } },
      ])
      expect(worker.index.recipients.size).to.equal(1)
    })

    it('tells the index of names that join after start', async () => {
      const worker = new Worker()
      worker.auth.mint('a')
      const client = await worker.start('a', 2, 'foo')
      client.op(subscribe('bar'))
      expect(worker.index.calls).to.deep.equal(['add', 'subscribed bar'])
    })

    it('holds the partition of a tenant, all of them for the master tenant', async () => {
      const worker = new Worker({}, 4)
      worker.auth.mint('a')
      worker.auth.mint('m', { tenantUuid: MASTER })
      await worker.start('a', 2)
      await worker.start('m', 2)
      expect(worker.bus.leases[0]).to.have.length(1)
      expect(worker.bus.leases[1]).to.deep.equal([0, 1, 2, 3])
    })

    it('gives everything back exactly once, whichever side ends the session', async () => {
      for (const end of ['client', 'server', 'both'] as const) {
        const worker = new Worker()
        worker.auth.mint('a')
        const client = await worker.start('a', 2, 'foo', 'bar')
        expect(worker.metrics.live).to.equal(2)
        if (end !== 'client') client.listener.binary()
        worker.index.route(event(11))
        if (end === 'both') client.listener.binary()
        client.listener.closed(1006)
        worker.flush()
        expectNothingLeft(worker)
        expect(worker.metrics.closedWith).to.deep.equal([end === 'client' ? 1006 : 4004])
      }
    })

    it('gives back the lease that it waits for at its end, and ignores what comes of it', async () => {
      const worker = new Worker()
      worker.auth.mint('a')
      worker.bus.waiting = true
      const client = await worker.connect('a')
      client.op({ op: 'start' })
      expect(worker.bus.openLeases).to.equal(1)
      client.listener.closed(1001)
      expectNothingLeft(worker)
      worker.bus.goLive()
      await worker.settle()
      expectNothingLeft(worker)
    })

    it('ignores a verdict that comes after the end', async () => {
      const worker = new Worker()
      worker.auth.mint('a')
      worker.auth.waiting = true
      const client = worker.upgrade('/?token=a')
      client.listener.closed(1006)
      worker.auth.answer()
      await worker.settle()
      expect(client.socket.written).to.deep.equal([])
      expectNothingLeft(worker)
    })

    it('slows a client down that is too fast, and handles every op of it', async () => {
      const worker = new Worker({ opsBurst: 2, opsPerSecond: 10 })
      worker.auth.mint('a')
      const client = await worker.connect('a')
      for (let i = 0; i < 5; i++) client.op({ op: 'ping', data: { payload: i } })
      expect(client.socket.reading).to.equal(false)
      worker.clock.advance(1_000)
      worker.flush()
      expect(client.socket.messages.slice(1)).to.deep.equal(
        [0, 1, 2, 3, 4].map((payload) => ({ op: 'pong', code: 0, data: { payload } })),
      )
      expect(client.socket.reading).to.equal(true)
      expect(client.socket.closes).to.deep.equal([])
    })

    it('writes what is due before it closes', async () => {
      const worker = new Worker()
      worker.auth.mint('a')
      const client = await worker.start('a', 1, 'foo')
      worker.index.route(event(11))
      client.listener.binary()
      expect(client.socket.texts).to.deep.equal(['{"n":11}'])
      expect(client.socket.closeCode).to.equal(4004)
    })
  })

  describe('the end of a token', () => {
    it('closes with 4003 after the event that says so, and delivers nothing later', async () => {
      const worker = new Worker()
      const { sessionUuid } = worker.auth.mint('a')
      worker.auth.mint('b')
      const client = await worker.start('a', 1, 'foo')
      const other = await worker.start('b', 1, 'foo')
      worker.index.route(event(11))
      worker.sessions.revoke(sessionUuid, 0, 11)
      worker.index.route(event(12))
      worker.flush()
      expect(client.socket.texts).to.deep.equal(['{"n":11}'])
      expect(client.socket.closeCode).to.equal(4003)
      expect(other.socket.texts).to.deep.equal(['{"n":11}', '{"n":12}'])
      expect(worker.metrics.expiries).to.deep.equal(['bus'])
    })

    it('closes sessions that have not started too', async () => {
      const worker = new Worker()
      const { sessionUuid } = worker.auth.mint('a')
      const client = await worker.connect('a')
      worker.sessions.revoke(sessionUuid, 0, 11)
      expect(client.socket.closeCode).to.equal(4003)
    })

    it('does not let a verdict revive a session that was revoked meanwhile, for a minute', async () => {
      const worker = new Worker()
      const { sessionUuid } = worker.auth.mint('a')
      worker.auth.waiting = true
      const client = await worker.connect('a')
      worker.sessions.revoke(sessionUuid, 0, 11)
      worker.auth.answer()
      await worker.settle()
      expect(client.socket.closeCode).to.equal(4002)
      worker.clock.advance(59_000)
      expect((await worker.connect('a')).socket.closeCode).to.equal(4002)
      worker.clock.advance(2_000)
      expect((await worker.connect('a')).socket.closeCode).to.equal(undefined)
    })

    for (const source of ['queue', 'backstop'] as const)
      it(`closes with 4003 when the ${source} says so`, async () => {
        const worker = new Worker()
        worker.auth.mint('a')
        const client = await worker.start('a')
        worker.watch.last.holder.ended(source)
        worker.watch.last.holder.ended(source)
        expect(client.socket.closes).to.have.length(1)
        expect(client.socket.closeCode).to.equal(4003)
        expect(worker.metrics.expiries).to.deep.equal([source])
      })

    it('closes a session whose watch ends it at once', async () => {
      const worker = new Worker()
      worker.auth.mint('a')
      worker.watch.watch = (details, holder) => {
        const entry = { details, holder, stopped: 0 }
        worker.watch.watches.push(entry)
        holder.ended('backstop')
        return { stop: () => (entry.stopped += 1) }
      }
      const client = await worker.connect('a')
      expect(client.socket.closeCode).to.equal(4003)
      expect(client.socket.written).to.deep.equal([])
      client.listener.closed(4003)
      expectNothingLeft(worker)
    })

    it('applies rights that a re-check found changed', async () => {
      const worker = new Worker({}, 2)
      const details = worker.auth.mint('a')
      const client = await worker.start('a', 1, 'foo')
      worker.watch.last.holder.renewed({ ...details, acl: [] })
      expect(worker.index.calls.at(-1)).to.equal('identified tenant-1')
      expect([...worker.index.recipients][0]?.identity.acl).to.deep.equal([])
      worker.watch.last.holder.renewed({ ...details, tenantUuid: MASTER })
      await worker.settle()
      expect(worker.bus.leases.at(-1)).to.deep.equal([0, 1])
      expect(worker.bus.openLeases).to.equal(1)
      worker.masterTenant = undefined
      worker.watch.last.holder.renewed(details)
      expect([...worker.index.recipients][0]?.identity.master).to.equal(true)
      client.listener.closed(1000)
      worker.watch.last.holder.renewed(details)
      expectNothingLeft(worker)
    })
  })

  describe('token renewal', () => {
    it('replaces identity, ACL and watch at once and keeps the lease when the tenant stays', async () => {
      const worker = new Worker()
      worker.auth.mint('a')
      worker.auth.mint('b', { acl: ['events.x'] })
      const client = await worker.start('a', 2, 'foo')
      client.op(renew('b'))
      await worker.settle()
      expect(client.socket.messages).to.deep.equal([{ op: 'token', code: 0, data: null }])
      expect([...worker.index.recipients][0]?.identity.acl).to.deep.equal(['events.x'])
      expect(worker.watch.watches.map(({ details, stopped }) => [details.token, stopped])).to.deep.equal([
        ['a', 1],
        ['b', 0],
      ])
      expect(worker.bus.leases).to.have.length(1)
      worker.sessions.revoke('session-of-a', 0, 12)
      expect(client.socket.closes).to.deep.equal([])
      worker.sessions.revoke('session-of-b', 0, 13)
      expect(client.socket.closeCode).to.equal(4003)
      client.listener.closed(4003)
      expectNothingLeft(worker)
    })

    it('holds the partitions of the new tenant before it replies, and no longer those of the old', async () => {
      const worker = new Worker({}, 4)
      worker.auth.mint('a')
      worker.auth.mint('m', { tenantUuid: MASTER })
      const client = await worker.start('a', 2, 'foo')
      worker.bus.waiting = true
      client.op(renew('m'))
      await worker.settle()
      expect(worker.index.calls.at(-1)).to.equal(`identified ${MASTER}`)
      expect(client.socket.messages).to.deep.equal([])
      worker.bus.goLive()
      await worker.settle()
      expect(client.socket.messages).to.deep.equal([{ op: 'token', code: 0, data: null }])
      expect(worker.bus.openLeases).to.equal(1)
      expect(worker.bus.released[0]).to.have.length(1)
      client.listener.closed(1000)
      expectNothingLeft(worker)
    })

    it('works before start', async () => {
      const worker = new Worker()
      worker.auth.mint('a')
      worker.auth.mint('b', { tenantUuid: 'tenant-2' })
      const client = await worker.connect('a', 1)
      client.op(renew('b'))
      client.op(subscribe('foo'))
      client.op({ op: 'start' })
      await worker.settle()
      await worker.settle()
      worker.index.route(event(11))
      worker.index.route(event(12, { tenant: 'tenant-2' }))
      worker.flush()
      expect(client.socket.messages.slice(1)).to.deep.equal([
        { op: 'token', code: 0, data: null },
        { op: 'subscribe', code: 0, data: null },
        { op: 'start', code: 0, data: null },
        { n: 12 },
      ])
    })

    it('closes with 4002 when the new token is not valid', async () => {
      const worker = new Worker()
      worker.auth.mint('a')
      const client = await worker.start('a')
      client.op(renew('unknown'))
      await worker.settle()
      expect(client.socket.closeCode).to.equal(4002)
    })

    it('closes with 1013 when there is no verdict within the deadline', async () => {
      const worker = new Worker()
      worker.auth.mint('a')
      const client = await worker.start('a')
      worker.auth.waiting = true
      client.op(renew('b'))
      worker.clock.advance(7_999)
      expect(client.socket.closes).to.deep.equal([])
      worker.clock.advance(1)
      expect(client.socket.closeCode).to.equal(1013)
    })

    it('keeps to the expiry of the old token until the verdict', async () => {
      const worker = new Worker()
      worker.auth.mint('a')
      const client = await worker.start('a')
      worker.auth.waiting = true
      client.op(renew('b'))
      worker.watch.last.holder.ended('queue')
      expect(client.socket.closeCode).to.equal(4003)
    })

    it('counts the connections of the new token', async () => {
      const worker = new Worker({ connectionsPerToken: 1 })
      worker.auth.mint('a')
      worker.auth.mint('b')
      await worker.connect('b')
      const client = await worker.connect('a')
      client.op(renew('b'))
      await worker.settle()
      expect(client.socket.closeCode).to.equal(1008)
    })

    it('may name the same token', async () => {
      const worker = new Worker({ connectionsPerToken: 1, connectionsPerUser: 1 })
      worker.auth.mint('a')
      const client = await worker.start('a')
      client.op(renew('a'))
      await worker.settle()
      expect(client.socket.messages).to.deep.equal([{ op: 'token', code: 0, data: null }])
      expect(worker.watch.open).to.equal(1)
    })
  })

  describe('a renewal during which the old token is deleted', () => {
    async function suspended(partitions = 1, tenantUuid = 'tenant-1') {
      const worker = new Worker({}, partitions)
      worker.auth.mint('a', { tenantUuid })
      worker.auth.mint('b', { tenantUuid })
      const client = await worker.start('a', 1, 'foo')
      worker.auth.waiting = true
      client.op(renew('b'))
      worker.index.route(event(11))
      worker.sessions.revoke('session-of-a', 0, 11)
      worker.index.route(event(12))
      await worker.settle()
      return { worker, client }
    }

    it('delivers nothing past the deletion until the verdict', async () => {
      const { worker, client } = await suspended()
      expect(client.socket.texts).to.deep.equal(['{"n":11}'])
      expect(client.socket.closes).to.deep.equal([])
      expect(worker.index.recipients.size).to.equal(0)
    })

    it('reads what it missed from the log after a valid verdict, then goes live', async () => {
      const { worker, client } = await suspended()
      worker.auth.answer()
      await worker.settle()
      const [catchUp] = worker.bus.readings
      expect(catchUp).to.include({ partition: 0, epoch: 'epoch', offset: 11 })
      worker.index.route(event(13))
      catchUp!.reader.events([
        event(12),
        event(12.5, { name: 'bar' }),
        event(13),
        event(13.5, { revocationOnly: true }),
      ])
      catchUp!.reader.live()
      worker.index.route(event(14))
      worker.flush()
      expect(client.socket.texts).to.deep.equal(['{"n":11}', '{"n":12}', '{"n":13}', '{"n":14}'])
      client.listener.closed(1000)
      expectNothingLeft(worker)
    })

    it('closes with 4002 after an invalid verdict', async () => {
      const { worker, client } = await suspended()
      worker.auth.tokens.delete('b')
      worker.auth.answer()
      await worker.settle()
      expect(client.socket.closeCode).to.equal(4002)
    })

    it('closes with 1013 when there is no verdict within the deadline', async () => {
      const { worker, client } = await suspended()
      worker.clock.advance(8_000)
      expect(client.socket.closeCode).to.equal(1013)
      worker.auth.answer()
      await worker.settle()
      client.listener.closed(1013)
      expectNothingLeft(worker)
    })

    it('closes with 1011 when the log does not reach back', async () => {
      const { worker, client } = await suspended()
      worker.auth.answer()
      await worker.settle()
      worker.bus.readings[0]!.reader.lost('log', 'the log was trimmed')
      expect(client.socket.closeCode).to.equal(1011)
      client.listener.closed(1011)
      expectNothingLeft(worker)
    })

    it('is told apart from an expiry by a re-check', async () => {
      const worker = new Worker()
      worker.auth.mint('a')
      worker.auth.mint('b')
      const client = await worker.start('a', 1, 'foo')
      worker.auth.waiting = true
      client.op(renew('b'))
      worker.watch.last.holder.ended('queue', 'refused')
      expect(client.socket.closes).to.deep.equal([])
      worker.auth.answer()
      await worker.settle()
      expect(worker.bus.readings[0]).to.include({ partition: 0, epoch: 'epoch', offset: 10 })
      worker.bus.readings[0]!.reader.live()
      worker.watch.last.holder.ended('queue', 'refused')
      expect(client.socket.closeCode).to.equal(4003)
      expect(worker.metrics.expiries).to.deep.equal(['queue'])
    })

    it('stops reading the log at the end of the session', async () => {
      const { worker, client } = await suspended()
      worker.auth.answer()
      await worker.settle()
      client.listener.closed(1006)
      expect(worker.bus.readings[0]!.stopped).to.equal(true)
      worker.bus.readings[0]!.reader.events([event(12)])
      worker.flush()
      expect(client.socket.texts).to.deep.equal(['{"n":11}'])
      expectNothingLeft(worker)
    })

    it('goes live partition by partition', async () => {
      const worker = new Worker({}, 2)
      worker.auth.mint('a', { tenantUuid: MASTER })
      worker.auth.mint('b', { tenantUuid: MASTER })
      const client = await worker.start('a', 1, 'foo')
      // tenant-1 and tenant-2 are in different partitions.
      const mine = event(13, { tenant: 'tenant-1' })
      const other = event(14, { tenant: 'tenant-2' })
      worker.auth.waiting = true
      client.op(renew('b'))
      for (const partition of [0, 1]) worker.sessions.revoke('session-of-a', partition, 11 + partition)
      worker.index.route(mine)
      expect(worker.index.recipients.size).to.equal(0)
      worker.auth.answer()
      await worker.settle()
      expect(worker.bus.readings.map(({ partition, offset }) => [partition, offset])).to.deep.equal([
        [0, 11],
        [1, 12],
      ])
      worker.bus.readings[1]!.reader.live()
      expect(worker.index.recipients.size).to.equal(1)
      client.socket.written.length = 0
      worker.index.route(mine)
      worker.index.route(other)
      worker.flush()
      expect(client.socket.texts).to.have.length(1)
      worker.bus.readings[0]!.reader.live()
      worker.index.route(mine)
      worker.index.route(other)
      worker.flush()
      expect(client.socket.texts).to.have.length(3)
      client.listener.closed(1000)
      expectNothingLeft(worker)
    })

    it('keeps its place in the log when that token is deleted and renewed in turn', async () => {
      const { worker, client } = await suspended()
      worker.auth.mint('c')
      worker.auth.answer()
      await worker.settle()
      worker.bus.readings[0]!.reader.events([event(12)])
      worker.auth.waiting = true
      client.op(renew('c'))
      worker.sessions.revoke('session-of-b', 0, 20)
      // It reads on up to the deletion, and no further.
      expect(worker.bus.readings[0]!.stopped).to.equal(false)
      const deletion = event(20, { name: 'bar', revokedSession: 'session-of-b' })
      worker.bus.readings[0]!.reader.events([event(13), deletion, event(21)])
      expect(worker.bus.readings[0]!.stopped).to.equal(true)
      worker.auth.answer()
      await worker.settle()
      expect(worker.bus.readings[1]).to.include({ partition: 0, epoch: 'epoch', offset: 20 })
      expect(client.socket.texts).to.deep.equal(['{"n":11}', '{"n":12}', '{"n":13}'])
    })

    it('is remembered by a start that waits for the bus', async () => {
      const worker = new Worker()
      worker.auth.mint('a')
      worker.auth.mint('b')
      const client = await worker.connect('a', 1)
      client.op(subscribe('foo'))
      worker.bus.waiting = true
      client.op({ op: 'start' })
      client.op(renew('b'))
      worker.sessions.revoke('session-of-a', 0, 11)
      worker.auth.waiting = true
      worker.bus.cursors = [15]
      worker.bus.goLive()
      await worker.settle()
      expect(client.socket.messages.at(-1)).to.include({ op: 'start' })
      expect(worker.index.recipients.size).to.equal(0)
      worker.auth.answer()
      await worker.settle()
      expect(worker.bus.readings[0]).to.include({ partition: 0, epoch: 'epoch', offset: 15 })
    })

    it('moves to the partitions of another tenant', async () => {
      const worker = new Worker({}, 2)
      worker.auth.mint('a')
      worker.auth.mint('b', { tenantUuid: 'tenant-2' })
      const client = await worker.start('a', 1, 'foo')
      worker.auth.waiting = true
      client.op(renew('b'))
      worker.sessions.revoke('session-of-a', 1, 11)
      worker.auth.answer()
      await worker.settle()
      await worker.settle()
      expect(worker.bus.readings).to.deep.equal([])
      worker.index.route(event(12, { tenant: 'tenant-2' }))
      worker.flush()
      expect(client.socket.texts).to.deep.equal(['{"n":12}'])
    })

    it('ends with 1011 when the worker does not know where it stands', async () => {
      const worker = new Worker({}, 2)
      worker.auth.mint('a', { tenantUuid: MASTER })
      const client = await worker.start('a', 1, 'foo')
      worker.auth.waiting = true
      client.op(renew('b'))
      worker.bus.cursors = [10, null]
      worker.sessions.revoke('session-of-a', 0, 11)
      worker.clock.advance(1_000)
      expect(client.socket.closeCode).to.equal(1011)
    })
  })

  describe('lost continuity', () => {
    it('closes the sessions of the partition with 1011, spread over a second, and delivers nothing meanwhile', async () => {
      const worker = new Worker()
      worker.auth.mint('a')
      const clients: Client[] = []
      for (let i = 0; i < 10; i++) clients.push(await worker.start('a', 1, 'foo'))
      worker.sessions.lost(0, 'new epoch')
      worker.index.route(event(99))
      worker.flush()
      const closed = () => clients.filter(({ socket }) => socket.closeCode === 1011).length
      expect(closed()).to.be.within(1, 2)
      worker.clock.advance(250)
      expect(closed()).to.be.within(4, 8)
      worker.clock.advance(750)
      expect(closed()).to.equal(10)
      expect(clients.flatMap(({ socket }) => socket.texts)).to.deep.equal([])
      expect(clients[0]!.socket.closes[0]!.reason).to.equal('bus connection lost')
      for (const { listener } of clients) listener.closed(1011)
      expectNothingLeft(worker)
      expect(worker.warnings).to.deep.equal(['continuity of events lost'])
    })

    it('leaves the sessions of other partitions alone', async () => {
      const worker = new Worker({}, 2)
      worker.auth.mint('a', { tenantUuid: 'tenant-1' })
      worker.auth.mint('b', { tenantUuid: 'tenant-2' })
      worker.auth.mint('m', { tenantUuid: MASTER })
      const [a, b, m] = [await worker.start('a'), await worker.start('b'), await worker.start('m')]
      worker.sessions.lost(worker.bus.leases[0]![0]!, 'gone')
      worker.clock.advance(1_000)
      expect([a, b, m].map(({ socket }) => socket.closeCode)).to.deep.equal([1011, undefined, 1011])
    })

    it('does not let a session start again before its end', async () => {
      const worker = new Worker()
      worker.auth.mint('a')
      const clients = [await worker.connect('a'), await worker.connect('a')]
      worker.sessions.lost(0, 'new epoch')
      clients[1]!.op({ op: 'start' })
      await worker.settle()
      expect(worker.index.recipients.size).to.equal(0)
      expect(worker.bus.leases).to.deep.equal([])
    })
  })
})
