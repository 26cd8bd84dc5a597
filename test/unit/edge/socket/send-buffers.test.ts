import { expect } from 'chai'
import { SendBuffers, type Buffering } from '@wazo-websocketd/edge/socket/send-buffers'
import { FakeClock } from '../session/fakes.js'

const MIB = 1024 * 1024
const LIMITS = {
  sendBufferSoftBytes: MIB,
  sendBufferSoftTime: 10_000,
  sendBufferHardBytes: 16 * MIB,
  sendBufferWorkerBytes: 40 * MIB,
}

class FakeConnection implements Buffering {
  bufferedBytes: number
  sheds = 0

  constructor(bufferedBytes: number) {
    this.bufferedBytes = bufferedBytes
  }

  shed(): void {
    this.sheds += 1
  }
}

function setUp() {
  const clock = new FakeClock()
  const samples: number[] = []
  let slow = 0
  const buffers = new SendBuffers({
    clock,
    limits: LIMITS,
    metrics: { sendBuffer: (bytes) => void samples.push(bytes), slowConsumer: () => (slow += 1) },
  })
  const connection = (bufferedBytes: number) => {
    const one = new FakeConnection(bufferedBytes)
    buffers.pressed(one)
    return one
  }
  return { clock, buffers, connection, samples, slow: () => slow }
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
