import { expect } from 'chai'
import { FrameBytes } from '@wazo-websocketd/edge/deliver/frame'
import { SendBuffers, type BufferedConnection } from '@wazo-websocketd/edge/socket/send-buffers'
import { FakeClock } from '../../../support/fakes/clock.js'

const MIB = 1024 * 1024
const LIMITS = {
  sendBufferSoftBytes: MIB,
  sendBufferSoftTime: 10_000,
  sendBufferHardBytes: 16 * MIB,
  sendBufferWorkerBytes: 40 * MIB,
}

class FakeConnection implements BufferedConnection {
  bufferedBytes: number
  sheds = 0

  constructor(bufferedBytes: number) {
    this.bufferedBytes = bufferedBytes
  }

  closeSlow(): void {
    this.sheds += 1
  }
}

function setUp() {
  const clock = new FakeClock()
  const samples: number[] = []
  let slow = 0
  const frameBytes = new FrameBytes()
  const buffers = new SendBuffers({
    clock,
    frameBytes,
    limits: LIMITS,
    metrics: { sendBuffer: (bytes) => void samples.push(bytes), slowConsumer: () => (slow += 1) },
  })
  /** One is given bytes of its own. */
  const connection = (bufferedBytes: number) => {
    const one = new FakeConnection(bufferedBytes)
    frameBytes.made += bufferedBytes
    buffers.backpressure(one, bufferedBytes)
    frameBytes.flushed = frameBytes.made
    return one
  }
  /** So many are given the same. */
  const crowd = (count: number, bufferedBytes: number) => {
    frameBytes.made += bufferedBytes
    const all = Array.from({ length: count }, () => new FakeConnection(bufferedBytes))
    for (const one of all) buffers.backpressure(one, bufferedBytes)
    frameBytes.flushed = frameBytes.made
    return all
  }
  return { clock, buffers, frameBytes, crowd, connection, samples, slow: () => slow }
}

describe('SendBuffers', () => {
  it('sheds a connection that is not below the soft limit for ten seconds', () => {
    const { clock, connection, slow } = setUp()
    const one = connection(2 * MIB)
    clock.advance(9_900)
    expect(one.sheds).to.equal(0)
    clock.advance(350)
    expect(one.sheds).to.equal(1)
    expect(slow()).to.equal(1)
    expect(clock.pending).to.equal(0)
  })

  it('counts anew when the buffer was below the soft limit in between', () => {
    const { clock, connection } = setUp()
    const one = connection(2 * MIB)
    clock.advance(9_000)
    one.bufferedBytes = MIB - 1
    clock.advance(500)
    one.bufferedBytes = 2 * MIB
    clock.advance(9_000)
    expect(one.sheds).to.equal(0)
    clock.advance(1_500)
    expect(one.sheds).to.equal(1)
  })

  it('sheds at once above the hard limit', () => {
    const { connection } = setUp()
    expect(connection(16 * MIB).sheds).to.equal(0)
    expect(connection(16 * MIB + 1).sheds).to.equal(1)
  })

  it('sheds the largest when all together are too much, and no more than needed', () => {
    const { connection } = setUp()
    const [small, largest, large] = [connection(10 * MIB), connection(15 * MIB), connection(14 * MIB)]
    const last = connection(8 * MIB)
    expect([small, largest, large, last].map(({ sheds }) => sheds)).to.deep.equal([0, 1, 0, 0])
  })

  it('counts bytes once that many are given', () => {
    const { clock, buffers, crowd, connection, samples, slow } = setUp()
    crowd(1_000, 8 * MIB)
    clock.advance(250)
    crowd(1_000, 8 * MIB)
    expect(slow()).to.equal(0)
    clock.advance(250)
    expect(samples).to.deep.equal([8 * MIB, 16 * MIB])
    expect(buffers.nearlyFull).to.equal(false)
    for (let i = 0; i < 4; i++) connection(4 * MIB)
    expect(buffers.nearlyFull).to.equal(true)
  })

  it('counts those for themselves that have waited longest, and so have all that was made since for others', () => {
    const { clock, frameBytes, crowd, connection, samples, slow } = setUp()
    const slowest = connection(MIB)
    frameBytes.flushed = frameBytes.made += 100 * MIB
    crowd(100, MIB)
    clock.advance(250)
    expect(samples).to.deep.equal([2 * MIB])
    expect([slow(), slowest.sheds]).to.deep.equal([0, 0])
  })

  it('knows what a buffer that is never empty can still hold', () => {
    const { clock, buffers, frameBytes, samples, slow } = setUp()
    const all = Array.from({ length: 100 }, () => new FakeConnection(MIB / 2))
    for (let i = 0; i < 200; i++) {
      frameBytes.made += MIB / 2
      for (const one of all) buffers.backpressure(one, MIB / 2)
      frameBytes.flushed = frameBytes.made
      clock.advance(250)
    }
    expect(slow()).to.equal(0)
    expect(Math.max(...samples)).to.be.at.most(2 * MIB)
  })

  it('looks again before it sheds for the sum', () => {
    const { connection } = setUp()
    const drained = connection(15 * MIB)
    const others = [connection(15 * MIB), connection(9 * MIB)]
    drained.bufferedBytes = 0
    others.push(connection(9 * MIB))
    expect([drained, ...others].map(({ sheds }) => sheds)).to.deep.equal([0, 0, 0, 0])
  })

  it('reports what waits, and stops when nothing does', () => {
    const { clock, connection, samples } = setUp()
    const [one, other] = [connection(MIB / 2), connection(MIB / 4)]
    clock.advance(250)
    one.bufferedBytes = 0
    clock.advance(250)
    other.bufferedBytes = 0
    clock.advance(250)
    expect(samples).to.deep.equal([0.75 * MIB, 0.25 * MIB, 0])
    expect(clock.pending).to.equal(0)
  })

  it('forgets a connection that is closing', () => {
    const { clock, buffers, connection, samples } = setUp()
    const one = connection(2 * MIB)
    buffers.remove(one)
    buffers.remove(one)
    clock.advance(20_000)
    expect(one.sheds).to.equal(0)
    expect(samples).to.deep.equal([0])
  })
})
