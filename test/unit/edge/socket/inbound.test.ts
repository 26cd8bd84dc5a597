import { expect } from 'chai'
import {
  Inbound,
  type Flood,
  type InboundConnection,
  type InboundLimits,
} from '@wazo-websocketd/edge/socket/inbound'
import { clientFrame } from '../../../support/frames.js'

const LIMITS: InboundLimits = {
  clientReadsPerSecond: 100,
  clientFramesPerSecond: 200,
  clientBytesPerSecond: 10_000,
  controlFramesPerSecond: 20,
  controlFramesBurst: 5,
  closingBytes: 1_000,
}

const PONG = clientFrame('', { opcode: 10 })
const CLOSE = clientFrame('', { opcode: 8 })
const TEXT = clientFrame('{}')
const many = (frame: Buffer, count: number) => Buffer.concat(Array<Buffer>(count).fill(frame))

/** A connection that writes down what is done to it. */
class Recorder implements InboundConnection {
  closing = false
  stopped = false
  parsed: Buffer = Buffer.alloc(0)
  rest: Buffer = Buffer.alloc(0)
  readonly calls: string[] = []
  readonly meter: Inbound
  /** Called with what the parser gets. */
  onParse: () => void = () => undefined

  constructor(limits: Partial<InboundLimits> = {}) {
    this.meter = new Inbound({ ...LIMITS, ...limits }, this)
  }

  receive(...pieces: Buffer[]): this {
    for (const piece of pieces) this.meter.receive(piece)
    return this
  }

  parse(bytes: Buffer): void {
    this.parsed = Buffer.concat([this.parsed, bytes])
    this.onParse()
  }
  putBack(rest: Buffer): void {
    this.rest = rest
  }
  hold(): void {
    this.calls.push('hold')
  }
  release(): void {
    this.calls.push('release')
  }
  cut(flood: Flood): void {
    this.calls.push(flood)
  }
  idle(): void {
    this.calls.push('idle')
  }
}

describe('Inbound', () => {
  it('gives the parser what an honest client sends, and is not needed in the next window', () => {
    const one = new Recorder().receive(many(TEXT, 3))
    expect(one.parsed).to.deep.equal(many(TEXT, 3))
    expect(one.meter.nextWindow()).to.equal(false)
    expect(one.calls).to.deep.equal(['idle'])
  })

  it('holds at the frames of a window, keeps the rest, and releases with the next', () => {
    const one = new Recorder().receive(many(TEXT, 25))
    expect(one.parsed).to.deep.equal(many(TEXT, 20))
    expect(one.rest).to.deep.equal(many(TEXT, 5))
    expect(one.meter.holds).to.equal(true)
    one.meter.nextWindow()
    expect(one.meter.holds).to.equal(false)
    expect(one.calls).to.deep.equal(['hold', 'release', 'idle'])
  })

  it('holds at the bytes and at the reads of a window', () => {
    const byBytes = new Recorder().receive(clientFrame('x'.repeat(1_000)))
    const byReads = new Recorder().receive(...[...clientFrame('12345')].map((byte) => Buffer.of(byte)))
    expect([byBytes.calls, byReads.calls]).to.deep.equal([['hold'], ['hold', 'hold']])
  })

  it('stops where the parser has stopped the stream, and keeps the rest', () => {
    const one = new Recorder({ clientFramesPerSecond: 1e6, clientBytesPerSecond: 1e9 })
    one.onParse = () => (one.stopped = true)
    one.receive(many(TEXT, 100))
    expect(one.parsed.length + one.rest.length).to.equal(100 * TEXT.length)
    expect(one.parsed.length).to.be.lessThan(100 * TEXT.length)
    expect(one.calls).to.deep.equal([])
  })

  it('takes the burst of control frames, then their rate, and cuts one above', () => {
    const one = new Recorder().receive(many(PONG, 5))
    expect(one.meter.nextWindow(), 'three of five still count').to.equal(true)
    one.receive(many(PONG, 2))
    expect(one.calls).to.deep.equal([])
    one.receive(PONG)
    expect(one.calls).to.deep.equal(['control-frames'])
    expect(one.parsed).to.deep.equal(many(PONG, 7))
  })

  it('parses none of the frames in which a flood is found', () => {
    const one = new Recorder().receive(many(PONG, 10_000))
    expect(one.parsed.length).to.equal(0)
    expect(one.calls).to.deep.equal(['control-frames'])
  })

  it('counts a frame once, however many pieces it comes in', () => {
    const one = new Recorder({ clientReadsPerSecond: 1e6 })
    one.receive(...[...many(PONG, 5)].map((byte) => Buffer.of(byte)))
    expect(one.calls).to.deep.equal([])
    expect(one.parsed).to.deep.equal(many(PONG, 5))
  })

  it('gives the parser nothing but the close frame once the connection closes', () => {
    const one = new Recorder()
    one.closing = true
    const [half, rest] = [CLOSE.subarray(0, 3), CLOSE.subarray(3)]
    one.receive(many(TEXT, 4), PONG.subarray(0, 1), Buffer.concat([PONG.subarray(1), half]), rest, TEXT)
    expect(one.parsed).to.deep.equal(CLOSE)
  })

  it('lets the parser finish the frame that it was in the middle of', () => {
    const one = new Recorder().receive(TEXT.subarray(0, 3))
    one.closing = true
    one.receive(Buffer.concat([TEXT.subarray(3), TEXT, CLOSE]))
    expect(one.parsed).to.deep.equal(Buffer.concat([TEXT, CLOSE]))
  })

  it('goes over to that within a piece, where a frame of it closes the connection', () => {
    const one = new Recorder({ clientFramesPerSecond: 1e6 })
    one.onParse = () => (one.closing = true)
    one.receive(Buffer.concat([many(TEXT, 50), CLOSE]))
    expect(one.parsed).to.deep.equal(Buffer.concat([many(TEXT, 32), CLOSE]))
  })

  it('looks through a bounded number of tiny frames for the close frame', () => {
    const one = new Recorder({ closingBytes: 1e6 })
    one.closing = true
    one.receive(many(PONG, 2_000))
    expect(one.calls).to.deep.equal([])
    one.receive(PONG)
    expect(one.calls).to.deep.equal(['after-close'])
  })

  it('cuts what is more than allowed after the close frame, whatever it is', () => {
    const one = new Recorder()
    one.closing = true
    one.receive(Buffer.alloc(1_000, 1))
    expect(one.calls).to.deep.equal([])
    one.receive(Buffer.alloc(1))
    expect(one.calls).to.deep.equal(['after-close'])
  })
})
