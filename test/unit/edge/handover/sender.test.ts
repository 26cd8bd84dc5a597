import {
  HandoverSender,
  type HandoverPayload,
  type HandoverRefusal,
} from '@wazo-websocketd/edge/handover/sender'
import { IN_FLIGHT_MAX } from '@wazo-websocketd/edge/handover/messages'
import { expect } from 'chai'
import { FakeClock } from '../../../support/fakes/clock.js'
import { FakeChannel, FakeHandle } from '../../../support/fakes/handover.js'

class FakeDeparting {
  readonly handle = new FakeHandle()
  refusals: HandoverRefusal[] = []
  asked = 0
  readonly fate: string[] = []

  release(): HandoverPayload | HandoverRefusal {
    this.asked += 1
    return (
      this.refusals.shift() ?? {
        handle: this.handle,
        head: Buffer.from('hi'),
        state: { asked: this.asked },
        moved: () => void this.fate.push('moved'),
        restore: () => void this.fate.push('restored'),
      }
    )
  }
}

const PASSING: HandoverRefusal = { reason: 'mid-frame', transient: true }

describe('the departures of a worker', () => {
  let clock: FakeClock
  let channel: FakeChannel
  let departures: HandoverSender

  beforeEach(() => {
    clock = new FakeClock()
    channel = new FakeChannel()
    departures = new HandoverSender({ channel, clock, patienceMs: 100, answerWithinMs: 1_000 })
  })

  const depart = () => {
    const departing = new FakeDeparting()
    return { departing, result: departures.send(departing) }
  }

  it('offer handle, head and state, and end well when the primary says so', async () => {
    const { departing, result } = depart()
    expect(channel.sent).to.deep.equal([
      {
        message: { kind: 'transfer-offer', id: 1, head: 'aGk=', state: { asked: 1 } },
        handle: departing.handle,
      },
    ])
    expect(departing.fate).to.deep.equal([])
    channel.receive({ kind: 'transfer-moved', id: 1 })
    channel.receive({ kind: 'transfer-moved', id: 1 })
    expect(await result).to.equal('moved')
    expect(departing.fate).to.deep.equal(['moved'])
    expect(clock.pending).to.equal(0)
  })

  it('restore what comes back', async () => {
    const { departing, result } = depart()
    channel.receive({ kind: 'transfer-returned', id: 1, reason: 'successor-gone' })
    expect(await result).to.equal('successor-gone')
    expect(departing.fate).to.deep.equal(['restored'])
    expect(clock.pending).to.equal(0)
  })

  it('ask a successor that refuses again, a few times', async () => {
    const { departing, result } = depart()
    for (let id = 1; id < 4; id++) {
      channel.receive({ kind: 'transfer-returned', id, reason: 'successor-refused' })
      clock.advance(500)
    }
    expect(departing.fate).to.deep.equal(['restored', 'restored', 'restored'])
    expect(departing.asked).to.equal(4)
    const other = depart()
    channel.receive({ kind: 'transfer-returned', id: 4, reason: 'successor-refused' })
    expect(await result).to.equal('successor-refused')
    channel.receive({ kind: 'transfer-returned', id: 5, reason: 'successor-refused' })
    clock.advance(500)
    channel.receive({ kind: 'transfer-moved', id: 6 })
    expect(await other.result).to.equal('moved')
    expect(other.departing.fate).to.deep.equal(['restored', 'moved'])
    expect(clock.pending).to.equal(0)
  })

  it('restore what cannot be sent', async () => {
    channel.broken = true
    const { departing, result } = depart()
    expect(await result).to.equal('no-primary')
    expect(departing.fate).to.deep.equal(['restored'])
  })

  it('ask the primary to decide when it does not answer, and take nothing back on their own', async () => {
    const { departing, result } = depart()
    channel.take()
    clock.advance(1_001)
    expect(channel.take()).to.deep.equal([{ kind: 'transfer-withdraw', id: 1 }])
    expect(departing.fate).to.deep.equal([])
    channel.receive({ kind: 'transfer-moved', id: 1 })
    channel.receive({ kind: 'transfer-returned', id: 1, reason: 'withdrawn' })
    expect(await result).to.equal('moved')
    expect(departing.fate).to.deep.equal(['moved'])
  })

  it('have a bounded number on the way, and the others wait unreleased, in order', async () => {
    const all = Array.from({ length: IN_FLIGHT_MAX + 2 }, depart)
    expect(all.map(({ departing }) => departing.asked)).to.deep.equal(
      all.map((_, at) => (at < IN_FLIGHT_MAX ? 1 : 0)),
    )
    channel.receive({ kind: 'transfer-moved', id: 3 })
    expect(all.at(-2)!.departing.asked).to.equal(1)
    expect(all.at(-1)!.departing.asked).to.equal(0)
    channel.receive({ kind: 'transfer-returned', id: 4, reason: 'busy' })
    expect(all.at(-1)!.departing.asked).to.equal(1)
    for (let id = 1; id <= all.length; id++) channel.receive({ kind: 'transfer-moved', id })
    await Promise.all(all.map(({ result }) => result))
  })

  it('ask again when the obstacle may pass, without keeping the others', async () => {
    const slow = new FakeDeparting()
    slow.refusals = [PASSING, PASSING]
    const result = departures.send(slow)
    const { departing: other } = depart()
    expect(other.asked).to.equal(1)
    expect(slow.asked).to.equal(1)
    clock.advance(10)
    clock.advance(10)
    expect(slow.asked).to.equal(3)
    channel.receive({ kind: 'transfer-moved', id: 2 })
    expect(await result).to.equal('moved')
  })

  it('leave a connection where it is when patience has ended', async () => {
    const slow = new FakeDeparting()
    slow.refusals = Array.from({ length: 100 }, () => PASSING)
    const result = departures.send(slow)
    for (let i = 0; i < 20; i++) clock.advance(10)
    expect(await result).to.equal('mid-frame')
    expect(slow.asked).to.be.within(8, 13)
    expect(slow.fate).to.deep.equal([])
    expect(clock.pending).to.equal(0)
  })

  it('do not ask again when nothing will change', async () => {
    const { departing, result } = (() => {
      const departing = new FakeDeparting()
      departing.refusals = [{ reason: 'tls', transient: false }]
      return { departing, result: departures.send(departing) }
    })()
    expect(await result).to.equal('tls')
    expect(departing.asked).to.equal(1)
    expect(channel.sent).to.deep.equal([])
  })

  it('can be given up: what was not released stays, what is on the way is decided as ever', async () => {
    const all = Array.from({ length: IN_FLIGHT_MAX + 1 }, depart)
    const slow = new FakeDeparting()
    slow.refusals = [PASSING]
    channel.receive({ kind: 'transfer-moved', id: 1 })
    channel.receive({ kind: 'transfer-moved', id: 2 })
    const resting = departures.send(slow)
    departures.giveUp()
    expect(await resting).to.equal('given-up')
    expect(await depart().result).to.equal('given-up')
    for (let id = 3; id <= all.length; id++) channel.receive({ kind: 'transfer-moved', id })
    expect(await Promise.all(all.map(({ result }) => result))).to.deep.equal(all.map(() => 'moved'))
    expect(clock.pending).to.equal(0)
  })
})
