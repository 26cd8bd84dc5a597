import { expect } from 'chai'
import { at, FakeTickets } from '../../../support/fakes/tickets.js'
import { event, Worker, type Client } from '../../../support/fakes/session.js'

const SETTLE_MS = 150
const READ_ON_MS = 2_000
const RETRY_MS = 500

class Scene {
  readonly tickets = new FakeTickets()
  readonly worker = new Worker({}, 1, this.tickets)

  constructor() {
    for (const token of ['a', 'b']) this.worker.auth.mint(token)
  }

  start(version = 2, token = 'a'): Promise<Client> {
    return this.worker.start(token, version, 'foo')
  }

  /** Begins to close the sessions of a token. */
  close(token = 'a', final = false): number {
    return this.worker.sessions.closeForRestart(this.worker.sessions.connections.withToken(token), final)
  }

  /** Lets what has been asked be answered, then time pass, and so on. */
  async pass(ms: number): Promise<void> {
    await this.worker.settle()
    this.worker.clock.advance(ms)
    await this.worker.settle()
  }

  numbers(client: Client): number[] {
    this.worker.flush()
    return client.socket.messages.map((message) => (message as { data: { n: number } }).data.n)
  }
}

describe('sessions closed with tickets', () => {
  it('are frozen, issue their tickets where they stand, then get 1012', async () => {
    const scene = new Scene()
    const [one, two] = [await scene.start(), await scene.start(1)]
    scene.worker.index.route(event(10))
    expect(scene.close()).to.equal(2)
    expect(scene.tickets.announced).to.deep.equal(['a'])
    scene.worker.bus.cursors[0] = 11
    scene.worker.index.route(event(11))
    await scene.pass(SETTLE_MS - 1)
    expect([one.socket.closes, scene.tickets.issued]).to.deep.equal([[], []])
    await scene.pass(1)
    for (const client of [one, two]) expect(client.socket.closeCode).to.equal(1012)
    expect(scene.numbers(one)).to.deep.equal([10])
    expect(
      scene.tickets.issued.map(({ token, positions, alone }) => [token, positions, alone]),
    ).to.deep.equal([
      ['a', at([10]), false],
      ['a', at([10]), false],
    ])
    expect(scene.worker.metrics.ticketResults).to.deep.equal(['left', 'left'])
    for (const client of [one, two]) client.listener.closed(1012)
    await scene.pass(RETRY_MS)
    expect([scene.worker.bus.openLeases, scene.worker.index.recipients.size]).to.deep.equal([0, 0])
    expect(scene.worker.clock.pending).to.equal(1) // the bound on reading on, which is not waited for any more
    expect(scene.tickets.withdrawn).to.deep.equal([])
  })

  it('have their tickets before the close frame goes out', async () => {
    const scene = new Scene()
    const client = await scene.start()
    let closedWith = -1
    client.socket.close = () => (closedWith = scene.tickets.issued.length)
    scene.close()
    await scene.pass(SETTLE_MS)
    expect(closedWith).to.equal(1)
  })

  it('are served up to where others of the token end', async () => {
    const scene = new Scene()
    scene.tickets.target = at([12])
    const client = await scene.start()
    scene.close()
    await scene.pass(SETTLE_MS)
    const [reading] = scene.worker.bus.readings
    expect(reading).to.include({ offset: 10, until: 12 })
    expect(client.socket.closes).to.deep.equal([])
    reading!.reader.events([event(11), event(12)])
    reading!.reader.live()
    await scene.worker.settle()
    expect(scene.numbers(client)).to.deep.equal([11, 12])
    expect(client.socket.closeCode).to.equal(1012)
    expect(scene.tickets.issued).to.have.length(1)
    expect(scene.tickets.issued[0]).to.deep.include({ positions: at([12]), alone: false })
  })

  it('end where they are when they cannot be served so far in time', async () => {
    const scene = new Scene()
    scene.tickets.target = at([12])
    const client = await scene.start()
    scene.close()
    await scene.pass(SETTLE_MS)
    scene.worker.bus.readings[0]!.reader.events([event(11)])
    await scene.pass(READ_ON_MS)
    expect(scene.worker.bus.readings[0]!.stopped).to.equal(true)
    expect(client.socket.closeCode).to.equal(1012)
    expect(scene.tickets.issued[0]).to.deep.include({ positions: at([11]), alone: true })
  })

  it('go on as before when they have to wait, and try again', async () => {
    const scene = new Scene()
    scene.tickets.agreement = 'wait'
    const client = await scene.start()
    expect(scene.close()).to.equal(1)
    scene.worker.bus.cursors[0] = 11
    await scene.pass(SETTLE_MS)
    expect(scene.worker.bus.readings[0]).to.include({ offset: 10, until: undefined })
    scene.worker.bus.readings[0]!.reader.events([event(11)])
    scene.worker.bus.readings[0]!.reader.live()
    scene.worker.index.route(event(12))
    expect(scene.numbers(client)).to.deep.equal([11, 12])
    scene.worker.bus.cursors[0] = 12
    expect(scene.close()).to.equal(0) // too early
    expect(scene.tickets.drafts).to.have.length(1)
    await scene.pass(RETRY_MS)
    scene.tickets.agreement = 'leave'
    expect(scene.close('a', true)).to.equal(0) // it has been paid for
    await scene.pass(SETTLE_MS)
    expect(scene.tickets.finals).to.deep.equal([false, true])
    expect(client.socket.closeCode).to.equal(1012)
    expect(scene.tickets.issued[0]).to.deep.include({ positions: at([12]) })
  })

  it('get 1012 without a ticket when none can be written', async () => {
    for (const when of ['before', 'after'] as const) {
      const scene = new Scene()
      const client = await scene.start()
      scene.tickets.down = when === 'before'
      scene.close()
      await scene.worker.settle()
      scene.tickets.down = true
      scene.tickets.agreement = 'failed'
      await scene.pass(SETTLE_MS)
      expect(client.socket.closeCode, when).to.equal(1012)
      expect(scene.worker.metrics.ticketResults).to.deep.equal(['not-left'])
      expect(scene.tickets.issued).to.deep.equal([])
    }
  })

  it('issue no ticket when they have not started', async () => {
    const scene = new Scene()
    const client = await scene.worker.connect('a')
    expect(scene.close()).to.equal(1)
    expect(client.socket.closeCode).to.equal(1012)
    expect(scene.tickets.drafts).to.deep.equal([])
  })

  it('stay open while a token renewal waits for its verdict, and end under the new token', async () => {
    const scene = new Scene()
    const client = await scene.start()
    scene.worker.auth.waiting = true
    client.op({ op: 'token', data: { token: 'b' } })
    scene.worker.sessions.revoke('session-of-a', 0, 10)
    expect(scene.close()).to.equal(0)
    scene.worker.auth.answer()
    await scene.worker.settle()
    expect(client.socket.closes).to.deep.equal([])
    expect(scene.close('b')).to.equal(1)
    await scene.pass(SETTLE_MS)
    expect(client.socket.closeCode).to.equal(1012)
    expect(scene.tickets.issued.map(({ token }) => token)).to.deep.equal(['b'])
  })

  it('stay open when a new token was adopted while they were frozen, and miss nothing', async () => {
    const scene = new Scene()
    const client = await scene.start()
    scene.close()
    await scene.worker.settle()
    client.op({ op: 'token', data: { token: 'b' } })
    scene.worker.bus.cursors[0] = 11
    await scene.pass(SETTLE_MS)
    expect(client.socket.closes).to.deep.equal([])
    expect(scene.tickets.withdrawn).to.deep.equal(['ticket-0'])
    expect(scene.worker.bus.readings.at(-1)).to.include({ offset: 10, stopped: false, until: undefined })
  })

  it('issue nothing when their client is gone meanwhile', async () => {
    const scene = new Scene()
    const client = await scene.start()
    scene.close()
    await scene.worker.settle()
    client.listener.closed(1001)
    await scene.pass(SETTLE_MS)
    expect(scene.tickets.issued).to.deep.equal([])
    expect(scene.tickets.withdrawn).to.deep.equal(['ticket-0'])
    expect(scene.worker.bus.openLeases).to.equal(0)
  })

  it('get 1011, not 1012, when their continuity is lost meanwhile', async () => {
    for (const moment of ['frozen', 'before'] as const) {
      const scene = new Scene()
      // A loss ends a few sessions at a time: the last one only later.
      const more = await Promise.all(Array.from({ length: 8 }, () => scene.start(2, 'b')))
      const client = await scene.start()
      if (moment === 'frozen') {
        scene.close()
        await scene.worker.settle()
      }
      scene.worker.sessions.lost(0, 'test')
      scene.close()
      await scene.pass(SETTLE_MS)
      scene.close()
      await scene.pass(1_000)
      for (const each of [client, ...more]) expect(each.socket.closeCode, moment).to.equal(1011)
      expect(scene.tickets.issued).to.deep.equal([])
    }
  })

  it('end where they are when they have not caught up yet', async () => {
    const scene = new Scene()
    scene.tickets.found = { id: 'old', positions: at([5]) }
    const client = await scene.start()
    scene.worker.bus.readings[0]!.reader.events([event(6)])
    scene.close()
    await scene.pass(SETTLE_MS)
    expect(client.socket.closeCode).to.equal(1012)
    expect(scene.tickets.issued[0]).to.deep.include({ positions: at([6]) })
  })

  it('end when another worker announces the token, if this one drains', async () => {
    const scene = new Scene()
    const client = await scene.start()
    scene.worker.sessions.onDrainNotice('tag of a')
    await scene.pass(SETTLE_MS)
    expect(scene.tickets.drafts).to.deep.equal([])
    scene.worker.sessions.beginDrain()
    scene.worker.sessions.onDrainNotice('tag of another')
    scene.worker.sessions.onDrainNotice('tag of a')
    await scene.pass(SETTLE_MS)
    expect(client.socket.closeCode).to.equal(1012)
    expect(scene.tickets.announced).to.deep.equal([])
  })

  it('get 1012 at once where sessions do not resume', async () => {
    const worker = new Worker()
    worker.auth.mint('a')
    const client = await worker.start('a', 2, 'foo')
    expect(worker.sessions.closeForRestart(worker.sessions.connections.withToken('a'), false)).to.equal(1)
    expect(client.socket.closeCode).to.equal(1012)
  })
})
