import { partitionsFor } from '@wazo-websocketd/edge/session/partitions'
import type { Connection } from '@wazo-websocketd/edge/session/connection'
import type { Identity } from '@wazo-websocketd/shared/domain/identity'
import type { Epoch } from '@wazo-websocketd/shared/domain/position'
import { expect } from 'chai'
import { encodeSnapshot, parseSnapshot } from '@wazo-websocketd/edge/handover/session-snapshot'
import { at } from '../../../support/fakes/tickets.js'
import { Client, event, FakeSocket, Worker } from '../../../support/fakes/session.js'

/** As it goes through a channel between processes. */
function carried(state: object): unknown {
  return JSON.parse(JSON.stringify(state))
}

/** Two workers of one host. */
class Scene {
  readonly old: Worker
  readonly next: Worker

  constructor(partitions = 1) {
    this.old = new Worker({}, partitions)
    this.next = new Worker({}, partitions)
    this.old.auth.mint('a')
  }

  connections(worker = this.old) {
    return [...worker.sessions.open()]
  }

  /** The snapshot of the only session, which is frozen from now on. */
  state(connection: Connection | undefined = this.connections()[0]): object {
    return encodeSnapshot(connection!.snapshot()!)
  }

  /** Hands the only session over. */
  handOver(): Client {
    const [connection] = this.connections()
    const state = carried(this.state(connection))
    expect(this.next.sessions.canAccept(state)).to.equal(true)
    connection!.handedOver()
    const socket = new FakeSocket()
    return new Client(socket, this.next.sessions.restore(socket, state))
  }
}

function messages(worker: Worker, client: Client): unknown[] {
  worker.flush()
  return client.socket.messages
}

describe('a session that is handed over', () => {
  it('has one line at its end, with duration and events of all workers, also after one that does not tell them', async () => {
    const { old, next } = new Scene()
    await old.start('a', 2, 'foo')
    for (const connection of old.sessions.open()) connection.deliver(event(11))
    for (const { clock } of [old, next]) clock.advance(63_000)
    const [connection] = [...old.sessions.open()]
    const state = carried(encodeSnapshot(connection!.snapshot()!)) as Record<string, unknown>
    connection!.handedOver()
    expect(old.lines.entries).to.deep.equal([])
    const silent = { ...state, past: { openedAt: 'yesterday' } }
    for (const each of [state, silent]) {
      const socket = new FakeSocket()
      const client = new Client(socket, next.sessions.restore(socket, each))
      next.clock.advance(5_000)
      client.listener.closed(1001)
    }
    expect(next.lines.entries.map(({ code, seconds, events }) => [code, seconds, events])).to.deep.equal([
      [1001, 68, 1],
      [1001, 5, 0],
    ])
  })

  it('goes on where it stood, from the log, without a message to the client or to wazo-auth', async () => {
    const scene = new Scene()
    const { old, next } = scene
    await old.start('a', 2, 'foo', 'bar')
    next.bus.cursors[0] = 13
    const client = scene.handOver()
    await next.settle()
    expect(messages(next, client)).to.deep.equal([])
    expect(next.auth.asked).to.deep.equal([])
    expect(next.watch.last.details.token).to.equal('a')
    expect(next.bus.readings.map(({ offset }) => offset)).to.deep.equal([10])
    const { reader } = next.bus.readings[0]!
    next.index.route(event(14))
    reader.events([event(11), event(12, { name: 'quux' }), event(13)])
    reader.live()
    next.index.route(event(15))
    const numbers = messages(next, client).map((message) => (message as { data: { n: number } }).data.n)
    expect(numbers).to.deep.equal([11, 13, 15])
    expect(client.socket.closes).to.deep.equal([])
  })

  it('is gone without a close where it was, and counted once', async () => {
    const scene = new Scene()
    const before = await scene.old.start('a', 1, 'foo')
    scene.handOver()
    await scene.next.settle()
    expect(before.socket.closes).to.deep.equal([])
    const { old, next } = scene
    expect([old.metrics.open, old.metrics.live, old.sessions.connections.size]).to.deep.equal([0, 0, 0])
    expect([old.bus.openLeases, old.index.recipients.size, old.watch.open]).to.deep.equal([0, 0, 0])
    expect([next.metrics.open, next.metrics.live, next.sessions.connections.size]).to.deep.equal([1, 1, 1])
    expect([...old.metrics.closedWith, ...next.metrics.closedWith]).to.deep.equal([])
    expect([old.metrics.moves, next.metrics.moves]).to.deep.equal([['away'], ['here']])
    expect(old.clock.pending).to.equal(0)
  })

  it('keeps its version and subscriptions, and obeys its client', async () => {
    const scene = new Scene()
    await scene.old.start('a', 2, 'foo')
    const client = scene.handOver()
    await scene.next.settle()
    client.op({ op: 'subscribe', data: { event_name: 'bar' } })
    client.op({ op: 'start' })
    client.op({ op: 'ping', data: { payload: 'p' } })
    const [subscribed, started, pong] = messages(scene.next, client) as { op: string }[]
    expect([subscribed!.op, started!.op, pong!.op]).to.deep.equal(['subscribe', 'start', 'pong'])
    expect([...scene.next.sessions.connections.all()][0])
      .to.have.property('subscriptions')
      .with.property('size', 2)
  })

  it('may be handed over before its start, and begins where the bus is then', async () => {
    const scene = new Scene()
    await scene.old.connect('a')
    scene.next.auth.mint('a')
    const client = scene.handOver()
    client.op({ op: 'start' })
    await scene.next.settle()
    expect(messages(scene.next, client)).to.have.length(1)
    expect(scene.next.bus.readings).to.deep.equal([])
  })

  it('is not released while something is under way', async () => {
    const scene = new Scene()
    scene.old.auth.waiting = true
    scene.old.upgrade('/?version=2&token=a')
    await scene.old.settle()
    expect(scene.connections()[0]!.snapshot()).to.equal(null)
    scene.old.auth.answer()
    await scene.old.settle()
    const [connection] = scene.connections()
    expect(connection!.snapshot()).to.not.equal(null)
    connection!.feed.unfreeze()
  })

  it('misses nothing when it is not handed over after all', async () => {
    const scene = new Scene()
    const client = await scene.old.start('a', 2, 'foo')
    const [connection] = scene.connections()
    connection!.snapshot()
    scene.old.bus.cursors[0] = 11
    scene.old.index.route(event(11))
    connection!.feed.unfreeze()
    const { reader, offset } = scene.old.bus.readings[0]!
    expect(offset).to.equal(10)
    reader.events([event(11)])
    reader.live()
    scene.old.index.route(event(12))
    expect(messages(scene.old, client)).to.have.length(2)
  })

  it('has written what it had to before it is frozen', async () => {
    const scene = new Scene()
    const client = await scene.old.start('a', 2, 'foo')
    scene.old.index.route(event(11))
    scene.old.bus.cursors[0] = 11
    const state = scene.state() as { positions: unknown }
    expect(client.socket.texts).to.have.length(1)
    expect(state.positions).to.deep.equal([[0, 'epoch', 11]])
  })

  it('gets 1011 when the numbering has changed or the log is too short', async () => {
    for (const loss of ['log', 'continuity'] as const) {
      const scene = new Scene()
      await scene.old.start('a', 2, 'foo')
      const client = scene.handOver()
      await scene.next.settle()
      scene.next.bus.readings[0]!.reader.lost(loss, 'trimmed')
      expect(client.socket.closeCode).to.equal(1011)
      client.listener.closed(1011)
      const ended = scene.next.lines.entries.find(({ msg }) => msg === 'session ended')
      expect(ended).to.include({ code: 1011, reason: 'bus connection lost', why: 'trimmed' })
    }
  })

  it('gets 1011 in a cluster of other partitions', async () => {
    const scene = new Scene()
    const next = new Worker({}, 4)
    await scene.old.start('a', 2, 'foo')
    const state = carried(scene.state()) as { positions: [number, string, number][] }
    state.positions[0]![0] = 7
    const socket = new FakeSocket()
    next.sessions.restore(socket, state)
    expect(socket.closeCode).to.equal(1011)
  })

  it('is closed at once, and reads nothing, when its token has expired on the way', async () => {
    const scene = new Scene()
    await scene.old.start('a', 2, 'foo')
    const { watch } = scene.next
    const own = watch.watch.bind(watch)
    watch.watch = (details, holder) => {
      const watched = own(details, holder)
      holder.ended('backstop')
      return watched
    }
    const client = scene.handOver()
    expect(client.socket.closeCode).to.equal(4003)
    await scene.next.settle()
    expect([scene.next.bus.readings.length, watch.open]).to.deep.equal([0, 0])
    expect(scene.next.auth.asked).to.deep.equal([])
  })

  it('ends where its token was deleted on the way, after what was published before', async () => {
    const scene = new Scene()
    await scene.old.start('a', 2, 'foo')
    scene.next.bus.waiting = true
    const client = scene.handOver()
    scene.next.sessions.revoke('session-of-a', 0, 12)
    expect(client.socket.closes).to.deep.equal([])
    scene.next.bus.goLive()
    await scene.next.settle()
    scene.next.bus.readings[0]!.reader.events([
      event(11),
      event(12, { name: 'x', revokedSession: 'session-of-a' }),
      event(13),
    ])
    expect(client.socket.closeCode).to.equal(4003)
    expect(client.socket.messages).to.have.length(1)
  })

  it('ends at once when it had not started and its token was deleted on the way', async () => {
    const scene = new Scene()
    await scene.old.connect('a')
    scene.next.sessions.revoke('session-of-a', 0, 12)
    expect(scene.handOver().socket.closeCode).to.equal(4003)
  })

  it('ends when it had not started and its token was deleted before either worker could hear of it', async () => {
    const scene = new Scene()
    await scene.old.connect('a')
    const client = scene.handOver()
    expect(client.socket.closes).to.deep.equal([])
    await scene.next.settle()
    expect(scene.next.auth.asked).to.deep.equal(['a'])
    expect(client.socket.closeCode).to.equal(4003)
  })

  it('goes on when it had not started and wazo-auth cannot be asked, or it has a new token by then', async () => {
    for (const verdict of [{ kind: 'unavailable' }, null] as const) {
      const scene = new Scene()
      await scene.old.connect('a')
      const { auth } = scene.next
      auth.mint('b')
      if (verdict !== null) auth.tokens.set('a', verdict)
      auth.waiting = true
      const client = scene.handOver()
      if (verdict === null) {
        auth.waiting = false
        client.op({ op: 'token', data: { token: 'b' } })
        await scene.next.settle()
      }
      auth.answer()
      await scene.next.settle()
      expect(client.socket.closes).to.deep.equal([])
    }
  })

  it('is not accepted by a worker that cannot serve, is full, or does not know its form', async () => {
    const scene = new Scene()
    await scene.old.start('a', 2, 'foo')
    const state = carried(scene.state()) as Record<string, unknown>
    scene.next.bus.missingParts = ['redis']
    expect(scene.next.sessions.canAccept(state)).to.equal(false)
    scene.next.bus.missingParts = []
    expect(scene.next.sessions.canAccept(state)).to.equal(true)
    for (const wrong of [
      { ...state, form: 2 },
      { ...state, version: 3 },
      { ...state, positions: 'x' },
      { ...state, positions: [[0, 1, 1]] },
      { ...state, subscriptions: [1] },
      { ...state, details: { ...(state['details'] as object), token: '../x' } },
      null,
      'x',
    ])
      expect(scene.next.sessions.canAccept(wrong), JSON.stringify(wrong)).to.equal(false)
    const full = new Worker({ connectionsPerWorker: 0 })
    expect(full.sessions.canAccept(state)).to.equal(false)
  })

  it('is not accepted where its positions mean nothing', async () => {
    const scene = new Scene()
    await scene.old.start('a', 2, 'foo')
    const state = carried(scene.state())
    scene.next.bus.epoch = 'of another prefix' as Epoch
    expect(scene.next.sessions.canAccept(state)).to.equal(false)
    // Its own partition is not followed yet: the one that always is tells.
    const wider = new Worker({}, 4)
    const [partition] = partitionsFor({ tenantUuid: 'tenant-1', master: false } as Identity, {
      partitions: 4,
      everyTenant: false,
    })
    const moved = { ...(state as object), positions: [[partition, 'epoch', 10]] }
    wider.bus.cursors = [10, null, null, null]
    expect(wider.sessions.canAccept(moved)).to.equal(true)
    wider.bus.epoch = 'another' as Epoch
    expect(wider.sessions.canAccept(moved)).to.equal(false)
    wider.bus.epoch = 'epoch' as Epoch
    const elsewhere = { ...(state as object), positions: [[partition! + 1, 'epoch', 10]] }
    expect(wider.sessions.canAccept(elsewhere)).to.equal(false)
  })

  it('is accepted everywhere before its start', async () => {
    const scene = new Scene()
    await scene.old.connect('a')
    scene.next.bus.epoch = 'of another prefix' as Epoch
    expect(scene.next.sessions.canAccept(carried(scene.state()))).to.equal(true)
  })

  it('is the same after it was written down', () => {
    const details = new Worker().auth.mint('a')
    const snapshot = {
      version: 1 as const,
      address: '2001:db8::1',
      details,
      subscriptions: ['foo', '*'],
      positions: at([2 ** 40, 3]),
      past: { openedAt: 63, events: 17 },
    }
    for (const resume of [null, '', 'e.0.a'])
      expect(parseSnapshot(carried(encodeSnapshot({ ...snapshot, resume })))).to.deep.equal({
        ...snapshot,
        resume,
      })
  })

  it('is of another form with positions, so that a worker that knows none of them leaves it where it is', () => {
    const details = new Worker().auth.mint('a')
    const rest = { version: 2 as const, address: '::1', details, subscriptions: [], positions: null }
    const forms = [null, ''].map((resume) => carried(encodeSnapshot({ ...rest, resume })))
    expect(forms.map((form) => (form as { form: number }).form)).to.deep.equal([1, 2])
    expect(parseSnapshot({ ...(forms[1] as object), resume: 5 })).to.equal(null)
    expect(parseSnapshot({ ...(forms[1] as object), form: 3 })).to.equal(null)
  })
})
