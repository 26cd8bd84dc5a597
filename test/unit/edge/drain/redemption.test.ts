import { encodeSnapshot } from '@wazo-websocketd/edge/handover/session-snapshot'
import { expect } from 'chai'
import { at, FakeTickets } from '../../../support/fakes/tickets.js'
import { Client, event, FakeSocket, MASTER, Worker } from '../../../support/fakes/session.js'

const START = { op: 'start', code: 0, data: null }

/** A worker whose cursors stand at 10, and what sessions of earlier workers have left there. */
function setUp(found: ReturnType<typeof at> | null, partitions = 1) {
  const tickets = new FakeTickets()
  tickets.found = found === null ? null : { id: 'ticket', positions: found }
  const worker = new Worker({}, partitions, tickets)
  worker.auth.mint('a')
  return { worker, tickets }
}

async function begin(worker: Worker, version = 2): Promise<Client> {
  const client = await worker.connect('a', version)
  client.op({ op: 'subscribe', data: { event_name: 'foo' } })
  await worker.settle()
  client.socket.written.length = 0
  client.op({ op: 'start' })
  await worker.settle()
  return client
}

function messages(worker: Worker, client: Client): unknown[] {
  worker.flush()
  return client.socket.messages
}

describe('a session that resumes', () => {
  for (const version of [1, 2]) {
    const sent = (n: number) => (version === 1 ? { n } : { op: 'event', code: 0, data: { n } })

    it(`gets what it missed right after its start reply, then what is live: version ${version}`, async () => {
      const { worker, tickets } = setUp(at([7]))
      const client = await begin(worker, version)
      expect(tickets.asked).to.deep.equal([{ token: 'a', version, names: ['foo'] }])
      const [reading] = worker.bus.readings
      expect(reading).to.include({ partition: 0, epoch: 'epoch', offset: 7, until: undefined })
      worker.index.route(event(11))
      reading!.reader.events([event(8), event(9, { name: 'other' }), event(10), event(11)])
      reading!.reader.live()
      worker.index.route(event(12))
      expect(messages(worker, client)).to.deep.equal([START, sent(8), sent(10), sent(11), sent(12)])
      expect(worker.metrics.ticketResults).to.deep.equal(['resumed'])
    })
  }

  it('is live at once when it missed nothing, or left nothing', async () => {
    for (const found of [at([10]), null]) {
      const { worker } = setUp(found)
      const client = await begin(worker)
      worker.index.route(event(11))
      expect(worker.bus.readings).to.deep.equal([])
      expect(messages(worker, client)).to.have.length(2)
    }
  })

  it('asks once, also when it starts again', async () => {
    const { worker, tickets } = setUp(at([10]))
    const client = await begin(worker)
    client.op({ op: 'start' })
    await worker.settle()
    expect(tickets.asked).to.have.length(1)
  })

  it('waits for the cursor when it was served further than this worker', async () => {
    const { worker } = setUp(at([14]))
    const client = await begin(worker)
    worker.index.route(event(12))
    expect(worker.bus.readings[0]).to.include({ offset: 14 })
    worker.bus.readings[0]!.reader.live()
    worker.index.route(event(15))
    expect(messages(worker, client).slice(1)).to.deep.equal([{ op: 'event', code: 0, data: { n: 15 } }])
  })

  it('begins where the bus is when its place is of another epoch', async () => {
    const { worker } = setUp(at([7], 'another'))
    const client = await begin(worker)
    expect(worker.bus.readings).to.deep.equal([])
    worker.index.route(event(11))
    expect(messages(worker, client)).to.have.length(2)
    expect(worker.metrics.ticketResults).to.deep.equal(['resumed', 'outdated'])
  })

  it('begins where the bus was at its start when the log is too short, without any part of what it missed', async () => {
    const { worker } = setUp(at([7]))
    const client = await begin(worker)
    worker.bus.cursors[0] = 12
    worker.bus.readings[0]!.reader.lost('log', 'trimmed')
    expect(worker.bus.readings[1]).to.include({ offset: 10 })
    worker.bus.readings[1]!.reader.events([event(11), event(12)])
    worker.bus.readings[1]!.reader.live()
    const numbers = messages(worker, client).slice(1)
    expect(numbers.map((message) => (message as { data: { n: number } }).data.n)).to.deep.equal([11, 12])
    expect(client.socket.closes).to.deep.equal([])
    expect(worker.metrics.ticketResults).to.deep.equal(['resumed', 'outdated'])
  })

  it('is told that continuity is lost when the log forgets after a part has been read, or a second time', async () => {
    for (const partly of [true, false]) {
      const { worker } = setUp(at([7]))
      const client = await begin(worker)
      const [{ reader }] = worker.bus.readings as [(typeof worker.bus.readings)[0]]
      if (partly) reader.events([event(8)])
      else reader.lost('log', 'trimmed')
      worker.bus.readings.at(-1)!.reader.lost('log', 'trimmed')
      expect(client.socket.closeCode).to.equal(1011)
    }
  })

  it('is told so as well when a new epoch begins while it reads', async () => {
    const { worker } = setUp(at([7]))
    const client = await begin(worker)
    worker.bus.readings[0]!.reader.lost('continuity', 'a new epoch began')
    expect(client.socket.closeCode).to.equal(1011)
  })

  it('ends where its token was deleted meanwhile, and gets nothing later', async () => {
    const { worker } = setUp(at([7]))
    const client = await begin(worker)
    const { reader } = worker.bus.readings[0]!
    reader.events([event(8), event(9, { name: 'x', revokedSession: 'session-of-a' }), event(10)])
    expect(client.socket.closeCode).to.equal(4003)
    expect(messages(worker, client).slice(1)).to.deep.equal([{ op: 'event', code: 0, data: { n: 8 } }])
  })

  it('goes on in the partitions that it may see now', async () => {
    const { worker } = setUp(at([7, 8, 10]), 4)
    worker.auth.mint('a', { tenantUuid: MASTER })
    await begin(worker)
    expect(worker.bus.readings.map(({ partition, offset }) => [partition, offset])).to.deep.equal([
      [0, 7],
      [1, 8],
    ])
    const other = setUp(at([7, 7, 7, 7]), 4)
    await begin(other.worker)
    expect(other.worker.bus.readings.map(({ partition }) => [partition])).to.deep.equal(
      other.worker.bus.leases[0]!.map((partition) => [partition]),
    )
  })

  it('gives its place back when it ends before its start is answered', async () => {
    const { worker, tickets } = setUp(at([7]))
    tickets.waiting = true
    const client = await begin(worker)
    expect(messages(worker, client)).to.deep.equal([])
    client.listener.closed(1006)
    tickets.answer()
    await worker.settle()
    expect(tickets.restored).to.deep.equal(['ticket'])
    expect([worker.bus.openLeases, worker.index.recipients.size]).to.deep.equal([0, 0])
    expect(worker.metrics.ticketResults).to.deep.equal([])
  })

  for (const query of ['', '&resume='])
    it(`goes on where the earlier one ended, also when another worker takes over before its start: ?version=2${query}`, async () => {
      const { worker: before } = setUp(null)
      const early = before.upgrade(`/?version=2&token=a${query}`)
      await before.settle()
      early.op({ op: 'subscribe', data: { event_name: 'foo' } })
      const snapshot = encodeSnapshot([...before.sessions.open()][0]!.snapshot()!)
      const { worker, tickets } = setUp(at([7]))
      const socket = new FakeSocket()
      const client = new Client(socket, worker.sessions.restore(socket, snapshot))
      client.op({ op: 'start' })
      await worker.settle()
      expect(tickets.asked).to.deep.equal([{ token: 'a', version: 2, names: ['foo'] }])
      expect(worker.bus.readings[0]).to.include({ partition: 0, epoch: 'epoch', offset: 7 })
      expect(worker.metrics.ticketResults).to.deep.equal(['resumed'])
    })

  it('that has started asks for no place of another one where it is taken over', async () => {
    const { worker: before } = setUp(null)
    await begin(before)
    const snapshot = encodeSnapshot([...before.sessions.open()][0]!.snapshot()!)
    const { worker, tickets } = setUp(at([7]))
    const socket = new FakeSocket()
    new Client(socket, worker.sessions.restore(socket, snapshot)).op({ op: 'start' })
    await worker.settle()
    expect(tickets.asked).to.deep.equal([])
  })

  it('keeps its place when it ends later', async () => {
    const { worker, tickets } = setUp(at([7]))
    const client = await begin(worker)
    client.listener.closed(1006)
    await worker.settle()
    expect(tickets.restored).to.deep.equal([])
    expect(worker.bus.readings[0]!.stopped).to.equal(true)
  })
})
