import { expect } from 'chai'
import { event, MASTER, Worker, type Client } from '../../../support/fakes/session.js'

/** In different partitions of two: the first in `MINE`, the second in the other. */
const [TENANT_1, TENANT_2] = ['tenant-1', 'tenant-2']
const DELETED = 'session-of-a'

describe('a session behind the cursor', () => {
  it('is not read for while its client has not taken what it was given', async () => {
    const worker = new Worker()
    worker.auth.mint('a')
    worker.auth.mint('b')
    const client = await worker.start('a', 1, 'foo')
    client.op({ op: 'token', data: { token: 'b' } })
    worker.sessions.revoke(DELETED, 0, 11)
    await worker.settle()
    const { reader } = worker.bus.readings[0]!
    expect(reader.congested()).to.equal(false)
    client.socket.bufferedBytes = 1_001
    expect(reader.congested()).to.equal(true)
  })
})

describe('a deletion that travels in several partitions', () => {
  async function open(tenantUuid: string): Promise<{ worker: Worker; client: Client }> {
    const worker = new Worker({}, 2)
    worker.auth.mint('a', { tenantUuid })
    worker.auth.mint('b', { tenantUuid })
    return { worker, client: await worker.start('a', 1, 'foo') }
  }

  function numbers(worker: Worker, client: Client): number[] {
    worker.flush()
    return client.socket.messages.map((message) => (message as { n: number }).n)
  }

  it('ends a session that holds one of them there, not elsewhere', async () => {
    const { worker, client } = await open(TENANT_1)
    const [mine] = worker.bus.leases[0]!
    worker.sessions.revoke(DELETED, 1 - mine!, 20)
    worker.index.route(event(19))
    expect(client.socket.closes).to.deep.equal([])
    worker.index.route(event(20))
    worker.sessions.revoke(DELETED, mine!, 20)
    worker.index.route(event(21))
    expect(client.socket.closeCode).to.equal(4003)
    expect(numbers(worker, client)).to.deep.equal([19, 20])
    client.listener.closed(4003)
    expect(worker.clock.pending).to.equal(0)
  })

  it('ends a session that holds all of them in each, and closes it after the last', async () => {
    const { worker, client } = await open(MASTER)
    const [first] = (await open(TENANT_1)).worker.bus.leases[0]!
    worker.sessions.revoke(DELETED, first!, 20)
    worker.index.route(event(21, { tenant: TENANT_1 }))
    worker.index.route(event(19, { tenant: TENANT_2 }))
    expect(client.socket.closes).to.deep.equal([])
    worker.sessions.revoke(DELETED, 1 - first!, 20)
    worker.index.route(event(22, { tenant: TENANT_2 }))
    expect(client.socket.closeCode).to.equal(4003)
    expect(numbers(worker, client)).to.deep.equal([19])
    expect(worker.metrics.expiries).to.deep.equal(['bus'])
  })

  it('does not wait longer than a second for a partition that stands still', async () => {
    for (const tenant of [MASTER, TENANT_1]) {
      const { worker, client } = await open(tenant)
      const [mine] = worker.bus.leases[0]!
      worker.sessions.revoke(DELETED, 1 - mine!, 20)
      worker.clock.advance(999)
      expect(client.socket.closes).to.deep.equal([])
      worker.clock.advance(1)
      expect(client.socket.closeCode).to.equal(4003)
      client.listener.closed(4003)
      expect([worker.clock.pending, worker.bus.openLeases]).to.deep.equal([0, 0])
    }
  })

  it('is forgotten when a new token is adopted before it has come everywhere, and what it hid is read', async () => {
    const { worker, client } = await open(MASTER)
    worker.auth.waiting = true
    client.op({ op: 'token', data: { token: 'b' } })
    worker.sessions.revoke(DELETED, 0, 20)
    worker.auth.answer()
    await worker.settle()
    expect(worker.bus.readings.map(({ partition, offset }) => [partition, offset])).to.deep.equal([[0, 20]])
    worker.bus.readings[0]!.reader.live()
    worker.clock.advance(5_000)
    expect(client.socket.closes).to.deep.equal([])
    for (const tenant of [TENANT_1, TENANT_2]) worker.index.route(event(30, { tenant }))
    expect(numbers(worker, client)).to.deep.equal([30, 30])
  })

  it('keeps a session where it is when its rights change before the end', async () => {
    const { worker, client } = await open(TENANT_1)
    const [mine] = worker.bus.leases[0]!
    const details = worker.watch.last.details
    worker.watch.last.holder.renewed({ ...details, tenantUuid: MASTER })
    await worker.settle()
    worker.sessions.revoke(DELETED, mine!, 20)
    worker.watch.last.holder.renewed({ ...details, tenantUuid: TENANT_1 })
    await worker.settle()
    expect(worker.bus.readings).to.deep.equal([])
    worker.index.route(event(21))
    worker.clock.advance(1_000)
    expect(client.socket.closeCode).to.equal(4003)
    expect(numbers(worker, client)).to.deep.equal([])
  })
})
