import { expect } from 'chai'
import type { InboundConnection } from '@wazo-websocketd/edge/socket/inbound'
import { InboundWindows } from '@wazo-websocketd/edge/socket/inbound-windows'
import { FakeClock } from '../../../support/fakes/clock.js'
import { clientFrame } from '../../../support/frames.js'

const LIMITS = {
  clientReadsPerSecond: 1e6,
  clientFramesPerSecond: 20,
  clientBytesPerSecond: 1e6,
  controlFramesPerSecond: 10,
  controlFramesBurst: 5,
  closingBytes: 1_000,
}

const connection = (released: () => void): InboundConnection => ({
  closing: false,
  stopped: false,
  parse: () => undefined,
  putBack: () => undefined,
  hold: () => undefined,
  release: released,
  cut: () => undefined,
  idle: () => undefined,
})

describe('InboundWindows', () => {
  it('keep a meter while its client is held or in the middle of a frame, with one timer for all', () => {
    const clock = new FakeClock()
    const windows = new InboundWindows({ clock, limits: LIMITS })
    let released = 0
    const [fast, slow] = [windows.add(connection(() => released++)), windows.add(connection(() => undefined))]
    fast.receive(Buffer.concat([clientFrame('1'), clientFrame('2'), clientFrame('3')]))
    slow.receive(clientFrame('half').subarray(0, 4))
    expect(clock.pending).to.equal(1)
    clock.advance(100)
    expect(released).to.equal(1)
    expect(windows.size).to.equal(1)
    windows.remove(slow)
    clock.advance(100)
    expect(windows.size).to.equal(0)
    expect(clock.pending).to.equal(0)
  })
})
