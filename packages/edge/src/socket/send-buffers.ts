import type { Clock, Timer } from '@wazo-websocketd/shared/runtime/clock'
import type { FrameBytes } from '../deliver/frame.js'
import type { SocketLimits } from './limits.js'
import type { SocketMetrics } from './metrics.js'

/** A connection, as far as its send buffer goes. */
export interface BufferedConnection {
  /** Bytes that the operating system has not taken yet. */
  readonly bufferedBytes: number
  /** The client does not keep up: close it. */
  closeSlow(): void
}

export interface SendBuffersOptions {
  readonly clock: Clock
  readonly limits: Pick<
    SocketLimits,
    'sendBufferSoftBytes' | 'sendBufferSoftTime' | 'sendBufferHardBytes' | 'sendBufferWorkerBytes'
  >
  readonly metrics: Pick<SocketMetrics, 'sendBuffer' | 'slowConsumer'>
  readonly frameBytes: FrameBytes
}

interface BufferRecord {
  bytes: number
  /** Since when the buffer has not been below the soft limit, or null. */
  aboveSince: number | null
  /** What waits was made after so many bytes of frames had been. */
  madeAfter: number
  /** Bytes written to it since it is watched; at the mark, and the frames made by then. */
  sent: number
  markSent: number
  markMade: number
}

const SAMPLE_MS = 250
/** Node's default high-water mark; below it a socket is not slow at all. */
const RELAXED_BYTES = 16 * 1024
/** Of the worker's share of memory: above it nothing is read from the log for sessions that are behind. */
const CROWDED_SHARE = 0.5

/**
 * Watches the connections whose sockets did not take everything at once.
 *
 * Most bytes wait in many sockets at once, so the sum says nothing of memory: a thousand clients that are owed the same
 * megabyte cost one. What is held is at most what those buffers contain that have waited longest, each for itself, and
 * all that has been made since the oldest byte in any other.
 */
export class SendBuffers {
  private readonly options: SendBuffersOptions
  private readonly entries = new Map<BufferedConnection, BufferRecord>()
  /** The sum of all buffers. */
  private total = 0
  /** Memory in use when it was looked at last, and the frames made by then. */
  private held = 0
  private heldAt = 0
  private timer: Timer | null = null

  constructor(options: SendBuffersOptions) {
    this.options = options
  }

  /** A write of so many bytes did not go through at once. */
  pressed(connection: BufferedConnection, written: number): void {
    const { clock, frameBytes } = this.options
    if (this.timer === null) {
      this.held = 0
      this.heldAt = frameBytes.flushed
      this.timer = clock.after(SAMPLE_MS, () => this.sample())
    }
    let entry = this.entries.get(connection)
    if (entry === undefined) this.entries.set(connection, (entry = freshEntry(frameBytes.flushed)))
    entry.sent += written
    this.measure(connection, entry)
    if (this.memory > this.options.limits.sendBufferWorkerBytes) this.relieve()
  }

  /** The connection is closing. */
  remove(connection: BufferedConnection): void {
    const entry = this.entries.get(connection)
    if (entry === undefined) return
    this.total -= entry.bytes
    this.entries.delete(connection)
  }

  get crowded(): boolean {
    return this.memory > CROWDED_SHARE * this.options.limits.sendBufferWorkerBytes
  }

  /** At most so many bytes are held for all of them. */
  private get memory(): number {
    return Math.min(this.total, this.held + this.options.frameBytes.made - this.heldAt)
  }

  private sample(): void {
    this.timer = null
    this.look()
    this.options.metrics.sendBuffer(this.memory)
    if (this.entries.size > 0) this.timer = this.options.clock.after(SAMPLE_MS, () => this.sample())
  }

  private look(): void {
    for (const [connection, entry] of this.entries) {
      this.measure(connection, entry)
      this.moveMark(entry)
      if (entry.bytes < RELAXED_BYTES) this.remove(connection)
    }
    const { made } = this.options.frameBytes
    let [alone, held] = [0, Infinity]
    const longestFirst = [...this.entries.values()].sort((a, b) => a.madeAfter - b.madeAfter)
    for (const { bytes, madeAfter } of longestFirst) {
      held = Math.min(held, alone + made - madeAfter)
      alone += bytes
    }
    this.held = Math.min(held, alone)
    this.heldAt = made
  }

  private measure(connection: BufferedConnection, entry: BufferRecord): void {
    const { sendBufferSoftBytes, sendBufferSoftTime, sendBufferHardBytes } = this.options.limits
    const now = this.options.clock.monotonic()
    const bytes = connection.bufferedBytes
    this.total += bytes - entry.bytes
    entry.bytes = bytes
    if (bytes < sendBufferSoftBytes) entry.aboveSince = null
    else entry.aboveSince ??= now
    const tooLong = entry.aboveSince !== null && now - entry.aboveSince >= sendBufferSoftTime
    if (tooLong || bytes > sendBufferHardBytes) this.shed(connection)
  }

  /** Once a buffer holds nothing of what had been written by the mark, it holds only what was made after it. */
  private moveMark(entry: BufferRecord): void {
    if (entry.sent - entry.bytes < entry.markSent) return
    entry.madeAfter = entry.markMade
    entry.markSent = entry.sent
    entry.markMade = this.options.frameBytes.flushed
  }

  /** Sheds the largest until the worker's share of memory is kept. */
  private relieve(): void {
    this.look()
    let excess = this.memory - this.options.limits.sendBufferWorkerBytes
    if (excess <= 0) return
    const largestFirst = [...this.entries].sort(([, a], [, b]) => b.bytes - a.bytes)
    for (const [connection, { bytes }] of largestFirst) {
      if (excess <= 0) return
      excess -= bytes
      this.shed(connection)
    }
  }

  private shed(connection: BufferedConnection): void {
    this.remove(connection)
    this.options.metrics.slowConsumer()
    connection.closeSlow()
  }
}

function freshEntry(made: number): BufferRecord {
  return { bytes: 0, aboveSince: null, madeAfter: made, sent: 0, markSent: 0, markMade: made }
}
