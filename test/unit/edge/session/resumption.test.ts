import type { Epoch } from '@wazo-websocketd/shared/domain/position'
import { expect } from 'chai'
import { encodeSnapshot } from '@wazo-websocketd/edge/handover/session-snapshot'
import { Client, event, FakeSocket, MASTER, Worker } from '../../../support/fakes/session.js'

const PARTITIONS = 4
/** The partition of the fake session's tenant among four. */
const OWN = 0

async function started(worker: Worker, resume: string | null, token = 'a'): Promise<Client> {
  const query = resume === null ? '' : `&resume=${resume}`
  const client = worker.upgrade(`/?version=2&token=${token}${query}`)
  await worker.settle()
  client.op({ op: 'subscribe', data: { event_name: 'foo' } })
  client.op({ op: 'start' })
  await worker.settle()
  return client
}

function workerOf(partitions = 1, tenant = 'tenant-1'): Worker {
  const worker = new Worker({}, partitions)
  worker.auth.mint('a', { tenantUuid: tenant })
  return worker
}

/** What `start` was answered. */
function startOf({ socket }: Client): unknown {
  return (socket.messages as { op: string; data: unknown }[]).find(({ op }) => op === 'start')?.data
}

function idsOf({ socket }: Client): string[] {
  return (socket.messages as { op: string; id?: string }[]).flatMap(({ op, id }) =>
    op === 'event' ? [id ?? ''] : [],
  )
}

describe('a session with positions', () => {
  it('is told how far back they reach, where it begins, and the position of each event', async () => {
    const worker = workerOf()
    const client = await started(worker, '')
    worker.index.route(event(11))
    worker.flush()
    expect(client.socket.texts).to.deep.equal([
      '{"op":"init","code":0,"data":{"version":2,"resume":{"seconds":120}}}',
      '{"op":"subscribe","code":0,"data":null}',
      '{"op":"start","code":0,"data":{"resumed":false,"id":"epoch.0.a","why":"none"}}',
      '{"op":"event","code":0,"id":"epoch.0.b","data":{"n":11}}',
    ])
    expect(worker.metrics.resumptions).to.deep.equal(['none'])
    expect(worker.bus.reachAsked).to.deep.equal([])
  })

  it('keeps no more of what its client presents than can be a position', async () => {
    for (const [characters, kept] of [
      [1_024, 1_024],
      [1_025, 1],
      [15_000, 1],
    ] as const) {
      const worker = workerOf()
      const text = `epoch.0.a_${'x'.repeat(characters - 10)}`
      const client = await started(worker, text)
      expect(startOf(client)).to.deep.include({ resumed: false, why: 'unknown' })
      expect([...worker.sessions.open()][0]!.snapshot()!.resume).to.have.length(kept)
    }
    const many = workerOf(64)
    many.upgrade(`/?version=2&token=a&resume=${'x'.repeat(64 * 64)}`)
    await many.settle()
    expect([...many.sessions.open()][0]!.snapshot()!.resume).to.have.length(64 * 64)
  })

  it('is asked for: without it, and in version 1, nothing is different', async () => {
    const worker = workerOf()
    const [one, two] = [worker.upgrade('/?version=1&token=a&resume=x'), await started(worker, null)]
    await worker.settle()
    one.op({ op: 'subscribe', data: { event_name: 'foo' } })
    one.op({ op: 'start' })
    await worker.settle()
    worker.index.route(event(11))
    worker.flush()
    for (const client of [one, two]) expect(client.socket.texts.join()).to.not.match(/resume|"id"/)
    expect(worker.metrics.resumptions).to.deep.equal([])
  })

  it('goes on from the position that is presented: the reply first, then what it missed, then live', async () => {
    const worker = workerOf()
    const client = await started(worker, 'epoch.0.7')
    expect(worker.bus.reachAsked).to.deep.equal([[0, 7]])
    expect(startOf(client)).to.deep.equal({ resumed: true, id: 'epoch.0.7' })
    const [reading] = worker.bus.readings
    expect(reading).to.include({ partition: 0, offset: 7 })
    worker.index.route(event(11)) // live: it comes from the log as well
    reading!.reader.events([event(8), event(9, { name: 'bar' }), event(11)])
    worker.bus.cursors[0] = 11
    reading!.reader.live()
    worker.index.route(event(12))
    worker.flush()
    expect(idsOf(client)).to.deep.equal(['epoch.0.8', 'epoch.0.b', 'epoch.0.c'])
    expect(worker.metrics.resumptions).to.deep.equal(['resumed'])
  })

  it('reads nothing where it has missed nothing', async () => {
    const worker = workerOf()
    const client = await started(worker, 'epoch.0.a')
    expect(startOf(client)).to.deep.equal({ resumed: true, id: 'epoch.0.a' })
    worker.bus.readings[0]?.reader.live()
    worker.index.route(event(11))
    worker.flush()
    expect(idsOf(client)).to.deep.equal(['epoch.0.b'])
  })

  for (const why of ['too old', 'other epoch', 'unknown'] as const)
    it(`begins where the bus is when the log says: ${why}`, async () => {
      const worker = workerOf()
      worker.bus.reaches.set(0, why)
      const client = await started(worker, 'epoch.0.7')
      expect(startOf(client)).to.deep.equal({ resumed: false, id: 'epoch.0.a', why })
      expect(worker.bus.readings).to.deep.equal([])
      worker.index.route(event(11))
      worker.flush()
      expect(idsOf(client)).to.deep.equal(['epoch.0.b'])
      expect(worker.metrics.resumptions).to.deep.equal([why])
    })

  for (const presented of ['nonsense', 'epoch.0', 'epoch.1.7', '%00'])
    it(`begins anew, and is not refused, with ${presented}`, async () => {
      const worker = workerOf()
      const client = await started(worker, presented)
      expect(startOf(client)).to.deep.equal({ resumed: false, id: 'epoch.0.a', why: 'unknown' })
      expect(client.socket.closes).to.deep.equal([])
    })

  it('ends with 1011 when what it was told to get is gone in between', async () => {
    const worker = workerOf()
    const client = await started(worker, 'epoch.0.7')
    worker.bus.readings[0]!.reader.lost('log', 'trimmed')
    expect(client.socket.closeCode).to.equal(1011)
  })

  it('answers a second start with where it is', async () => {
    const worker = workerOf()
    const client = await started(worker, '')
    worker.bus.cursors[0] = 12
    client.socket.written.length = 0
    client.op({ op: 'start' })
    worker.flush()
    expect(startOf(client)).to.deep.equal({ resumed: true, id: 'epoch.0.c' })
  })

  it('has a position in its own partition of several', async () => {
    const worker = workerOf(PARTITIONS)
    worker.bus.cursors = [20, 21, 22, 23]
    const client = await started(worker, '')
    worker.index.route(event(30))
    worker.flush()
    const [, partition] = (startOf(client) as { id: string }).id.split('.')
    expect(worker.bus.leases.at(-1)).to.deep.equal([Number(partition)])
    expect(idsOf(client)).to.deep.equal([`epoch.${partition}.u`])
  })

  it('of the master tenant has one in all of them, also while it lags in one', async () => {
    const worker = workerOf(PARTITIONS, MASTER)
    worker.bus.cursors = [10, 11, 12, 13]
    const client = await started(worker, 'epoch.0.8_.1.b_.2.c_.3.d')
    expect(startOf(client)).to.deep.equal({ resumed: true, id: 'epoch.0.8_.1.b_.2.c_.3.d' })
    for (const { partition, reader } of worker.bus.readings) if (partition !== 0) reader.live()
    worker.bus.cursors = [10, 11, 12, 13]
    const [lagging] = worker.bus.readings
    expect(lagging).to.include({ partition: 0, offset: 8 })
    // One of partition 0, while the others go on.
    worker.bus.cursors[1] = 15
    lagging!.reader.events([event(9, { tenant: null })])
    worker.flush()
    expect(idsOf(client)).to.deep.equal(['epoch.0.9_.1.f_.2.c_.3.d'])
    lagging!.reader.live()
    worker.bus.cursors[0] = 30
    worker.index.route(event(29, { tenant: null }))
    worker.flush()
    expect(idsOf(client).at(-1)).to.equal('epoch.0.t_.1.f_.2.c_.3.d')
  })

  it('of the master tenant does not go on from a position in one partition', async () => {
    const worker = workerOf(PARTITIONS, MASTER)
    const client = await started(worker, `epoch.${OWN}.7`)
    expect(startOf(client)).to.include({ resumed: false, why: 'unknown' })
  })

  it('goes on nowhere when one of several partitions does not reach back', async () => {
    const worker = workerOf(PARTITIONS, MASTER)
    worker.bus.reaches.set(2, 'too old')
    const client = await started(worker, 'epoch.0.8_.1.8_.2.8_.3.8')
    expect(startOf(client)).to.deep.equal({ resumed: false, id: 'epoch.0.a_.1.a_.2.a_.3.a', why: 'too old' })
    expect(worker.bus.readings).to.deep.equal([])
  })

  it('stays one when it is handed over, started or not', async () => {
    const old = workerOf()
    const next = workerOf()
    for (const client of [await started(old, ''), old.upgrade('/?version=2&token=a&resume=epoch.0.7')])
      expect(client.socket.closes).to.deep.equal([])
    await old.settle()
    const clients = [...old.sessions.open()].map((connection) => {
      const state: unknown = JSON.parse(JSON.stringify(encodeSnapshot(connection.snapshot()!)))
      connection.handedOver()
      const socket = new FakeSocket()
      return new Client(socket, next.sessions.restore(socket, state))
    })
    clients[1]!.op({ op: 'subscribe', data: { event_name: 'foo' } })
    clients[1]!.op({ op: 'start' })
    await next.settle()
    expect(startOf(clients[1]!)).to.deep.equal({ resumed: true, id: 'epoch.0.7' })
    for (const { reader } of next.bus.readings) reader.live()
    next.index.route(event(11))
    next.flush()
    for (const client of clients) expect(idsOf(client)).to.deep.equal(['epoch.0.b'])
  })

  it('has positions of the new epoch after a loss only by a new session', async () => {
    const worker = workerOf()
    const client = await started(worker, '')
    worker.bus.epoch = 'next' as Epoch
    worker.sessions.lost(0, 'test')
    worker.clock.advance(1_000)
    expect(client.socket.closeCode).to.equal(1011)
    worker.bus.reaches.set(0, 'other epoch')
    const back = await started(worker, 'epoch.0.a')
    expect(startOf(back)).to.deep.equal({ resumed: false, id: 'next.0.a', why: 'other epoch' })
  })
})
