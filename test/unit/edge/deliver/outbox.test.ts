import { expect } from 'chai'
import { FrameBytes, frameString } from '@wazo-websocketd/edge/deliver/frame'
import { Outbox, type FrameTarget } from '@wazo-websocketd/edge/deliver/outbox'
import { event, FakeMetrics, FakeSocket } from '../../../support/fakes/session.js'
import { textsOf } from '../../../support/frames.js'

function setUp() {
  const metrics = new FakeMetrics()
  const tasks: (() => void)[] = []
  const frameBytes = new FrameBytes()
  const defer = (task: () => void) => void tasks.push(task)
  const outbox = new Outbox({ defer, now: () => 1_000_000, metrics, frameBytes })
  const target = (
    version: 1 | 2,
    positions: FrameTarget['positions'] = null,
  ): FrameTarget & { socket: FakeSocket } => ({
    version,
    positions,
    socket: new FakeSocket(),
    flushId: 0,
    flushIndex: 0,
  })
  const flush = () => tasks.splice(0).forEach((task) => task())
  return { metrics, frameBytes, outbox, target, flush, tasks }
}

describe('Outbox', () => {
  it('writes all frames of one tick together, in order', () => {
    const { outbox, target, flush, tasks } = setUp()
    const one = target(1)
    outbox.deliver(one, event(1))
    outbox.send(one, frameString('pong'))
    outbox.deliver(one, event(2))
    expect(one.socket.written).to.deep.equal([])
    expect(tasks).to.have.length(1)
    flush()
    expect(one.socket.texts).to.deep.equal(['{"n":1}', 'pong', '{"n":2}'])
    expect(one.socket.writes).to.deep.equal([1])
  })

  it('frames an event per version, and gives every receiver the same bytes', () => {
    const { outbox, target, flush } = setUp()
    const targets = [target(1), target(2), target(1), target(2)]
    const received: Uint8Array[][] = targets.map(() => [])
    targets.forEach(({ socket }, at) => (socket.sendFrames = (frames) => void received[at]!.push(...frames)))
    const first = event(1)
    for (const one of targets) outbox.deliver(one, first)
    const burst = event(2)
    for (const one of targets) outbox.deliver(one, burst)
    flush()
    expect(received[0]![0]).to.equal(received[2]![0])
    expect(received[1]![0]).to.equal(received[3]![0])
    expect(received[0]![0]).to.not.equal(received[1]![0])
  })

  it('gives receivers with positions those of each, and the same bytes where they are equal', () => {
    const { outbox, target, flush, frameBytes } = setUp()
    const at = (id: string) => target(2, { idOf: ({ offset }) => `${id}-${offset}` })
    const targets = [at('a'), target(2), at('a'), at('b'), target(2)]
    const received: Uint8Array[][] = targets.map(() => [])
    targets.forEach(({ socket }, i) => (socket.sendFrames = (frames) => void received[i]!.push(...frames)))
    for (const event_ of [event(1), event(2)]) for (const one of targets) outbox.deliver(one, event_)
    flush()
    const texts = received.map((frames) => textsOf(Buffer.concat(frames)))
    const positioned = (id: string, n: number) =>
      `{"op":"event","code":0,"id":"${id}-${n}","data":{"n":${n}}}`
    expect(texts[0]).to.deep.equal([positioned('a', 1), positioned('a', 2)])
    expect(texts[3]).to.deep.equal([positioned('b', 1), positioned('b', 2)])
    expect(texts[1]).to.deep.equal([1, 2].map((n) => `{"op":"event","code":0,"data":{"n":${n}}}`))
    expect(received[0]![0]).to.equal(received[2]![0])
    expect(received[1]![0]).to.equal(received[4]![0])
    expect(frameBytes.made).to.equal(
      // Each frame, and the pairs that are written together.
      2 * [0, 1, 3].reduce((sum, i) => sum + received[i]![0]!.length, 0),
    )
  })

  it('does not confuse an event with the next one of another tick', () => {
    const { outbox, target, flush } = setUp()
    const one = target(2)
    outbox.deliver(one, event(1))
    flush()
    outbox.deliver(one, event(2))
    flush()
    expect(one.socket.texts).to.deep.equal([
      '{"op":"event","code":0,"data":{"n":1}}',
      '{"op":"event","code":0,"data":{"n":2}}',
    ])
  })

  it('leaves what comes while it writes to the next tick, in order', () => {
    const { outbox, target, flush } = setUp()
    const [one, other] = [target(1), target(1)]
    const sent: Uint8Array[] = []
    other.socket.sendFrames = (frames) => {
      if (sent.length === 0) for (const each of [one, other]) outbox.send(each, frameString('later'))
      sent.push(...frames)
    }
    for (const each of [one, other]) outbox.deliver(each, event(1))
    flush()
    expect(one.socket.texts).to.deep.equal(['{"n":1}'])
    flush()
    expect(one.socket.texts).to.deep.equal(['{"n":1}', 'later'])
    expect(sent).to.have.length(2)
  })

  it('writes what comes after it has written for a target at once', () => {
    const { outbox, target, flush } = setUp()
    const one = target(1)
    outbox.send(one, frameString('first'))
    outbox.flushTarget(one)
    outbox.send(one, frameString('second'))
    flush()
    expect(one.socket.texts).to.deep.equal(['first', 'second'])
  })

  it('frames an event once for those that read the log one after the other', () => {
    const { outbox, target, flush, metrics, frameBytes } = setUp()
    const targets = [target(1), target(1), target(1)]
    const events = [event(1), event(2)]
    for (const one of targets) for (const each of events) outbox.deliver(one, each)
    flush()
    expect(targets.map(({ socket }) => socket.texts)).to.deep.equal(targets.map(() => ['{"n":1}', '{"n":2}']))
    expect(metrics.deliveries.map(([receivers]) => receivers)).to.deep.equal([3, 3])
    // Two frames of 9 bytes, and the 18 in which they are joined.
    expect(frameBytes).to.deep.equal({ made: 36, flushed: 36 })
  })

  it('reports receivers and latency once per event', () => {
    const { outbox, target, flush, metrics } = setUp()
    const targets = [target(1), target(2), target(2)]
    const [first, second] = [event(1, { receivedAt: 999_960 }), event(2, { receivedAt: 1_000_500 })]
    for (const one of targets) outbox.deliver(one, first)
    outbox.deliver(targets[0]!, second)
    flush()
    expect(metrics.deliveries).to.deep.equal([
      [3, 40],
      [1, 0],
    ])
    flush()
    expect(metrics.deliveries).to.have.length(2)
  })

  it('writes what waits for one target at once when asked, and not again', () => {
    const { outbox, target, flush } = setUp()
    const [one, other] = [target(1), target(1)]
    const first = event(1)
    outbox.deliver(one, first)
    outbox.deliver(other, first)
    outbox.flushTarget(one)
    outbox.flushTarget(one)
    expect(one.socket.texts).to.deep.equal(['{"n":1}'])
    expect(other.socket.texts).to.deep.equal([])
    outbox.sendShared(one, frameString('later'))
    flush()
    expect(one.socket.texts).to.deep.equal(['{"n":1}', 'later'])
    expect(other.socket.texts).to.deep.equal(['{"n":1}'])
  })
})
