import {
  HandoverSender,
  type HandoverPayload,
  type HandoverRefusal,
} from '@wazo-websocketd/edge/handover/sender'
import { IN_FLIGHT_MAX } from '@wazo-websocketd/edge/handover/messages'
import { expect } from 'chai'
import { FakeClock } from '../../../support/fakes/clock.js'
import { FakeChannel, FakeHandle } from '../../../support/fakes/handover.js'

class FakeConnection {
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

const TRANSIENT: HandoverRefusal = { reason: 'mid-frame', transient: true }

describe('HandoverSender', () => {
  let clock: FakeClock
  let channel: FakeChannel
  let sender: HandoverSender

  beforeEach(() => {
    clock = new FakeClock()
    channel = new FakeChannel()
    sender = new HandoverSender({ channel, clock, patienceMs: 100, answerWithinMs: 1_000 })
  })

  const send = () => {
    const connection = new FakeConnection()
    return { connection, result: sender.send(() => connection.release()) }
  }

  it('offers handle, head and state, and is done when the primary says so', async () => {
    const { connection, result } = send()
    expect(channel.sent).to.deep.equal([
      {
        message: { kind: 'transfer-offer', id: 1, head: 'aGk=', state: { asked: 1 } },
        handle: connection.handle,
      },
    ])
    expect(connection.fate).to.deep.equal([])
    channel.receive({ kind: 'transfer-moved', id: 1 })
    channel.receive({ kind: 'transfer-moved', id: 1 })
    expect(await result).to.equal('moved')
    expect(connection.fate).to.deep.equal(['moved'])
    expect(clock.pending).to.equal(0)
  })

  it('restores what is returned', async () => {
    const { connection, result } = send()
    channel.receive({ kind: 'transfer-returned', id: 1, reason: 'successor-gone' })
    expect(await result).to.equal('successor-gone')
    expect(connection.fate).to.deep.equal(['restored'])
    expect(clock.pending).to.equal(0)
  })

  it('asks a successor that refuses again, a few times', async () => {
    const { connection, result } = send()
    for (let id = 1; id < 4; id++) {
      channel.receive({ kind: 'transfer-returned', id, reason: 'successor-refused' })
      clock.advance(500)
    }
    expect(connection.fate).to.deep.equal(['restored', 'restored', 'restored'])
    expect(connection.asked).to.equal(4)
    const other = send()
    channel.receive({ kind: 'transfer-returned', id: 4, reason: 'successor-refused' })
    expect(await result).to.equal('successor-refused')
    channel.receive({ kind: 'transfer-returned', id: 5, reason: 'successor-refused' })
    clock.advance(500)
    channel.receive({ kind: 'transfer-moved', id: 6 })
    expect(await other.result).to.equal('moved')
    expect(other.connection.fate).to.deep.equal(['restored', 'moved'])
    expect(clock.pending).to.equal(0)
  })

  it('restores what cannot be sent', async () => {
    channel.broken = true
    const { connection, result } = send()
    expect(await result).to.equal('no-primary')
    expect(connection.fate).to.deep.equal(['restored'])
  })

  it('asks the primary to decide when it does not answer, and restores nothing on its own', async () => {
    const { connection, result } = send()
    channel.take()
    clock.advance(1_001)
    expect(channel.take()).to.deep.equal([{ kind: 'transfer-withdraw', id: 1 }])
    expect(connection.fate).to.deep.equal([])
    channel.receive({ kind: 'transfer-moved', id: 1 })
    channel.receive({ kind: 'transfer-returned', id: 1, reason: 'withdrawn' })
    expect(await result).to.equal('moved')
    expect(connection.fate).to.deep.equal(['moved'])
  })

  it('has a bounded number in flight, and the others wait unreleased, in order', async () => {
    const all = Array.from({ length: IN_FLIGHT_MAX + 2 }, send)
    expect(all.map(({ connection }) => connection.asked)).to.deep.equal(
      all.map((_, at) => (at < IN_FLIGHT_MAX ? 1 : 0)),
    )
    channel.receive({ kind: 'transfer-moved', id: 3 })
    expect(all.at(-2)!.connection.asked).to.equal(1)
    expect(all.at(-1)!.connection.asked).to.equal(0)
    channel.receive({ kind: 'transfer-returned', id: 4, reason: 'busy' })
    expect(all.at(-1)!.connection.asked).to.equal(1)
    for (let id = 1; id <= all.length; id++) channel.receive({ kind: 'transfer-moved', id })
    await Promise.all(all.map(({ result }) => result))
  })

  it('asks again when the obstacle is transient, without keeping the others', async () => {
    const slow = new FakeConnection()
    slow.refusals = [TRANSIENT, TRANSIENT]
    const result = sender.send(() => slow.release())
    const { connection: other } = send()
    expect(other.asked).to.equal(1)
    expect(slow.asked).to.equal(1)
    clock.advance(10)
    clock.advance(10)
    expect(slow.asked).to.equal(3)
    channel.receive({ kind: 'transfer-moved', id: 2 })
    expect(await result).to.equal('moved')
  })

  it('keeps a connection when patience has ended', async () => {
    const slow = new FakeConnection()
    slow.refusals = Array.from({ length: 100 }, () => TRANSIENT)
    const result = sender.send(() => slow.release())
    for (let i = 0; i < 20; i++) clock.advance(10)
    expect(await result).to.equal('mid-frame')
    expect(slow.asked).to.be.within(8, 13)
    expect(slow.fate).to.deep.equal([])
    expect(clock.pending).to.equal(0)
  })

  it('does not ask again when nothing will change', async () => {
    const { connection, result } = (() => {
      const connection = new FakeConnection()
      connection.refusals = [{ reason: 'tls', transient: false }]
      return { connection, result: sender.send(() => connection.release()) }
    })()
    expect(await result).to.equal('tls')
    expect(connection.asked).to.equal(1)
    expect(channel.sent).to.deep.equal([])
  })

  it('can give up: what was not released stays, what is in flight is decided as ever', async () => {
    const all = Array.from({ length: IN_FLIGHT_MAX + 1 }, send)
    const slow = new FakeConnection()
    slow.refusals = [TRANSIENT]
    channel.receive({ kind: 'transfer-moved', id: 1 })
    channel.receive({ kind: 'transfer-moved', id: 2 })
    const pending = sender.send(() => slow.release())
    sender.giveUp()
    expect(await pending).to.equal('given-up')
    expect(await send().result).to.equal('given-up')
    for (let id = 3; id <= all.length; id++) channel.receive({ kind: 'transfer-moved', id })
    expect(await Promise.all(all.map(({ result }) => result))).to.deep.equal(all.map(() => 'moved'))
    expect(clock.pending).to.equal(0)
  })
})
