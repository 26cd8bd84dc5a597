import { FrameScanner } from './frame-scanner.js'

/** What a client may send to this worker; `limits.*` of the configuration. */
export interface InboundLimits {
  /** Pieces in which the operating system hands over what a client sends. */
  readonly clientReadsPerSecond: number
  readonly clientFramesPerSecond: number
  readonly clientBytesPerSecond: number
  /** Pings, pongs and close frames: more than the burst and this rate ends the connection. */
  readonly controlFramesPerSecond: number
  readonly controlFramesBurst: number
  /** Bytes of any kind after the closing handshake has begun. */
  readonly closingBytes: number
}

/** Why a connection is cut, as `flooding_clients_closed_total{reason}` names it. */
export const FLOODS = ['control-frames', 'after-close'] as const
export type Flood = (typeof FLOODS)[number]

/** The connection whose bytes are metered. */
export interface InboundConnection {
  /** Whether the closing handshake has begun, or the socket has failed. */
  readonly closing: boolean
  /** Whether the stream is not read now, for whatever reason. */
  readonly stopped: boolean
  /** Gives bytes to the parser of frames. */
  parse(bytes: Buffer): void
  /** Puts back what the parser is not to have yet; the stream, which is stopped, gives it again when it is read. */
  putBack(rest: Buffer): void
  /** Stops reading until `release`. */
  hold(): void
  release(): void
  /** The connection floods: ends it, and reads nothing more. */
  cut(flood: Flood): void
  /** The meter is not needed until the client sends again. */
  idle(): void
}

/** Part of a second for which the rates are counted. */
export const WINDOWS_PER_SECOND = 10
/** Frames that the parser is given at once: what it makes of them may stop the reading. */
const FRAMES_AT_ONCE = 32
/** Frames that are looked through for the client's close frame: more than an honest client has on its way. */
const CLOSING_FRAMES_MAX = 2_000

/**
 * Meters what one client sends, below the parser of `ws`, which would work through a whole chunk of tiny frames in one
 * go. A client that is too fast is not read until the next window; one that sends too many control frames, or goes on
 * sending after the close frame, is cut.
 */
export class Inbound {
  private readonly limits: InboundLimits
  private readonly connection: InboundConnection
  private readonly scanner = new FrameScanner()
  private held = false
  private reads = 0
  private frames = 0
  private bytes = 0
  private controlFrames = 0
  private bytesClosing = 0
  private framesClosing = 0
  /** Whether the parser gets the frame that is under way. */
  private passes = true
  /** Nothing more concerns the parser: the client's close frame has come, or the connection is cut. */
  private concluded = false

  constructor(limits: InboundLimits, connection: InboundConnection) {
    this.limits = limits
    this.connection = connection
  }

  /** Whether the client is not read until the next window. */
  get holds(): boolean {
    return this.held
  }

  /** Takes what the client has sent. */
  receive(chunk: Buffer): void {
    this.reads += 1
    let at = 0
    while (at < chunk.length) {
      if (this.connection.closing) {
        this.receiveClosing(at === 0 ? chunk : chunk.subarray(at))
        return
      }
      const to = this.scan(chunk, at)
      if (this.controlFrames > this.limits.controlFramesBurst) {
        this.cut('control-frames')
        return
      }
      this.connection.parse(chunk.subarray(at, to))
      at = to
      if (this.exhausted || this.connection.stopped) break
    }
    if (this.exhausted && !this.connection.closing) this.hold()
    if (at < chunk.length) this.connection.putBack(chunk.subarray(at))
  }

  /** A new window begins. Returns whether the meter is needed in it. */
  nextWindow(): boolean {
    this.reads = this.frames = this.bytes = 0
    this.controlFrames = Math.max(
      0,
      this.controlFrames - this.limits.controlFramesPerSecond / WINDOWS_PER_SECOND,
    )
    if (this.held) {
      this.held = false
      this.connection.release()
    }
    const needed = !this.scanner.between || this.controlFrames > 0 || this.connection.closing
    if (!needed) this.connection.idle()
    return needed
  }

  private get exhausted(): boolean {
    const { clientReadsPerSecond, clientFramesPerSecond, clientBytesPerSecond } = this.limits
    return (
      this.reads * WINDOWS_PER_SECOND >= clientReadsPerSecond ||
      this.frames * WINDOWS_PER_SECOND >= clientFramesPerSecond ||
      this.bytes * WINDOWS_PER_SECOND >= clientBytesPerSecond
    )
  }

  /** Counts some frames from `from` on; returns where they end. */
  private scan(chunk: Buffer, from: number): number {
    let at = from
    const { clientFramesPerSecond } = this.limits
    const left = Math.ceil(clientFramesPerSecond / WINDOWS_PER_SECOND) - this.frames
    for (let n = Math.min(FRAMES_AT_ONCE, left); n > 0 && at < chunk.length; n--) {
      at = this.scanner.advance(chunk, at)
      if (!this.scanner.between) break
      this.frames += 1
      if (this.scanner.isControl) this.controlFrames += 1
    }
    this.bytes += at - from
    return at
  }

  /** Of what comes after the close frame only the client's own close frame counts. */
  private receiveClosing(chunk: Buffer): void {
    this.bytesClosing += chunk.length
    if (this.bytesClosing > this.limits.closingBytes) {
      this.cut('after-close')
      return
    }
    for (let at = 0; at < chunk.length && !this.concluded;) {
      const begins = this.scanner.between
      const to = this.scanner.advance(chunk, at)
      if (begins) this.passes = this.scanner.isClose
      if (this.passes) this.connection.parse(chunk.subarray(at, to))
      this.concluded = this.scanner.between && this.scanner.isClose
      at = to
      if (++this.framesClosing > CLOSING_FRAMES_MAX) {
        this.cut('after-close')
        return
      }
    }
  }

  private hold(): void {
    this.held = true
    this.connection.hold()
  }

  private cut(flood: Flood): void {
    this.concluded = true
    this.connection.cut(flood)
  }
}
