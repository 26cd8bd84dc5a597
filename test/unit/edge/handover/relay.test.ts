import { IN_FLIGHT_MAX } from '@wazo-websocketd/edge/handover/messages'
import { HandoverRelay } from '@wazo-websocketd/edge/handover/relay'
import { expect } from 'chai'
import { FakeClock } from '../../../support/fakes/clock.js'
import { FakeHandle, FakePeer } from '../../../support/fakes/handover.js'

describe('HandoverRelay', () => {
  let clock: FakeClock
  let relay: HandoverRelay
  let old: FakePeer
  let moves: [from: number, to: number][]
  let next: FakePeer

  beforeEach(() => {
    clock = new FakeClock()
    moves = []
    relay = new HandoverRelay({
      clock,
      takenWithinMs: 1_000,
      moved: (from, to) => void moves.push([from, to]),
    })
    old = new FakePeer(1)
    next = new FakePeer(2)
    relay.watch(old)
    relay.watch(next)
    relay.pair(old, next)
  })

  /** What the old worker offers, as it arrives in the primary: with a reference of the primary's own. */
  function offer(id: number): FakeHandle {
    const handle = new FakeHandle()
    old.receive({ kind: 'transfer-offer', id, head: 'aGk=', state: { n: id } }, handle)
    return handle
  }
  const arrivalId = () => (next.sent.at(-1)!.message as { id: number }).id

  it('passes handle, head and state on, and keeps its reference until the successor has it', () => {
    const handle = offer(7)
    expect(next.sent).to.have.length(1)
    expect(next.sent[0]!.handle).to.equal(handle)
    expect(next.sent[0]!.message).to.deep.include({ kind: 'transfer-arrival', head: 'aGk=', state: { n: 7 } })
    expect(handle.closed).to.equal(0)
    expect(old.take()).to.deep.equal([])

    const id = arrivalId()
    next.take()
    expect(moves).to.deep.equal([])
    next.receive({ kind: 'transfer-taken', id })
    expect(moves).to.deep.equal([[1, 2]])
    expect(old.take()).to.deep.equal([{ kind: 'transfer-moved', id: 7 }])
    expect(next.take()).to.deep.equal([{ kind: 'transfer-go', id }])
    expect(handle.closed).to.equal(1)
    expect(relay.size).to.equal(0)
    expect(clock.pending).to.equal(0)
  })

  it('numbers the offers of several old workers apart', () => {
    const other = new FakePeer(3)
    relay.watch(other)
    relay.pair(other, next)
    offer(1)
    const first = arrivalId()
    other.receive({ kind: 'transfer-offer', id: 1, head: '', state: null }, new FakeHandle())
    const second = arrivalId()
    expect(second).to.not.equal(first)
    next.receive({ kind: 'transfer-taken', id: second })
    expect(old.take()).to.deep.equal([])
    expect(other.take()).to.deep.equal([{ kind: 'transfer-moved', id: 1 }])
  })

  const failures: Record<string, { reason: string; happens: () => void }> = {
    'a successor that refuses': {
      reason: 'successor-refused',
      happens: () => next.receive({ kind: 'transfer-refused', id: arrivalId() }),
    },
    'a successor that dies': { reason: 'successor-gone', happens: () => next.end() },
    'a successor that does not answer': { reason: 'timeout', happens: () => clock.advance(1_001) },
    'an old worker that asks for it': {
      reason: 'withdrawn',
      happens: () => old.receive({ kind: 'transfer-withdraw', id: 7 }),
    },
  }
  for (const [what, { reason, happens }] of Object.entries(failures)) {
    it(`gives a connection back by a word, once, and closes its own reference: ${what}`, () => {
      const handle = offer(7)
      happens()
      expect(old.take()).to.deep.equal([{ kind: 'transfer-returned', id: 7, reason }])
      expect(handle.closed).to.equal(1)
      expect(relay.size).to.equal(0)
      clock.advance(5_000)
      expect(clock.pending).to.equal(0)
      next.end()
      expect(old.take()).to.deep.equal([])
    })
  }

  it('tells a successor that takes too late to drop it', () => {
    const handle = offer(7)
    const id = arrivalId()
    clock.advance(1_001)
    next.take()
    old.take()
    next.receive({ kind: 'transfer-taken', id })
    expect(next.take()).to.deep.equal([{ kind: 'transfer-drop', id }])
    expect(old.take()).to.deep.equal([])
    expect(handle.closed).to.equal(1)
  })

  it('lets only the successor take', () => {
    offer(7)
    const stranger = new FakePeer(9)
    relay.watch(stranger)
    stranger.receive({ kind: 'transfer-taken', id: arrivalId() })
    expect(old.take()).to.deep.equal([])
    expect(relay.size).to.equal(1)
  })

  it('gives back at once when there is no successor, or it died, or the offer came without its handle', () => {
    next.end()
    const handle = offer(1)
    const second = offer(2)
    relay.pair(old, new FakePeer(5))
    old.receive({ kind: 'transfer-offer', id: 3, head: '', state: null }, null)
    expect(old.take()).to.deep.equal(
      [1, 2, 3].map((id) => ({ kind: 'transfer-returned', id, reason: 'no-successor' })),
    )
    expect([handle.closed, second.closed]).to.deep.equal([1, 1])
    expect(relay.size).to.equal(0)
  })

  it('gives back what cannot be sent to the successor', () => {
    next.broken = true
    const handle = offer(1)
    expect(old.take()).to.deep.equal([{ kind: 'transfer-returned', id: 1, reason: 'successor-gone' }])
    expect(handle.closed).to.equal(1)
    expect(clock.pending).to.equal(0)
  })

  it('has a bounded number of a worker on the way', () => {
    for (let id = 1; id <= IN_FLIGHT_MAX; id++) offer(id)
    expect(old.take()).to.deep.equal([])
    const handle = offer(99)
    expect(old.take()).to.deep.equal([{ kind: 'transfer-returned', id: 99, reason: 'busy' }])
    expect(handle.closed).to.equal(1)
    expect(relay.size).to.equal(IN_FLIGHT_MAX)
  })

  it('answers a withdrawal of what never came', () => {
    old.receive({ kind: 'transfer-withdraw', id: 5 })
    expect(old.take()).to.deep.equal([{ kind: 'transfer-returned', id: 5, reason: 'withdrawn' }])
  })

  it('lets a connection go on whose old worker dies on the way', () => {
    const handle = offer(7)
    const id = arrivalId()
    old.end()
    next.take()
    next.receive({ kind: 'transfer-taken', id })
    expect(next.take()).to.deep.equal([{ kind: 'transfer-go', id }])
    expect(handle.closed).to.equal(1)
    // What it had sent before may be read a little later, and much later nothing comes.
    offer(8)
    expect(next.take()).to.have.length(1)
    clock.advance(1_001)
    expect(offer(9).closed).to.equal(1)
    expect(next.take()).to.deep.equal([])
  })
})
