import type { Clock, Timer } from '@wazo-websocketd/shared/runtime/clock'
import type { FrameBytes } from '../deliver/frame.js'
import type { SocketLimits } from './limits.js'
import type { SocketMetrics } from './metrics.js'

/** A connection whose send buffer is watched. */
export interface BufferedConnection {
  /** Bytes that the operating system has not taken yet. */
  readonly bufferedBytes: number
  /** Closes the connection, because its client does not keep up. */
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
  /** What waits in the buffer. */
  bytes: number
  /** Since when the buffer has not been below the soft limit, or null. */
  aboveSince: number | null
  /** What waits was made after so many bytes of frames had been made (`FrameBytes.made`). */
  madeAfter: number
  /** Bytes written to the connection since it is watched. */
  sent: number
  /** `sent`, and the bytes of frames made, at the mark. */
  markSent: number
  markMade: number
}

const SAMPLE_MS = 250
/** Node's default high-water mark: below it a socket is not slow, and not watched. */
const WATCHED_BYTES_MIN = 16 * 1024
/** Share of the worker's memory for send buffers above which nothing is read from the log for lagging sessions. */
const NEARLY_FULL_SHARE = 0.5

/**
 * Watches the connections whose sockets did not take everything at once, and closes those that are too slow or too
 * large.
 *
 * Most bytes wait in many sockets at once, so their sum says nothing of memory: a thousand clients that are owed the
 * same megabyte cost one. The memory in use is at most what the buffers that have waited longest contain, each counted
 * for itself, and all frames made since the oldest byte in any other buffer.
 */
export class SendBuffers {
  private readonly options: SendBuffersOptions
  private readonly records = new Map<BufferedConnection, BufferRecord>()
  /** The sum of all buffers. */
  private total = 0
  /** Memory in use at the last measurement, and the bytes of frames made by then. */
  private held = 0
  private heldAt = 0
  private timer: Timer | null = null

  constructor(options: SendBuffersOptions) {
    this.options = options
  }

  /** A write of so many bytes was not taken at once. */
  backpressure(connection: BufferedConnection, written: number): void {
    const { clock, frameBytes } = this.options
    if (this.timer === null) {
      this.held = 0
      this.heldAt = frameBytes.flushed
      this.timer = clock.after(SAMPLE_MS, () => this.sample())
    }
    let record = this.records.get(connection)
    if (record === undefined) this.records.set(connection, (record = newRecord(frameBytes.flushed)))
    record.sent += written
    this.measure(connection, record)
    if (this.memory > this.options.limits.sendBufferWorkerBytes) this.closeLargest()
  }

  /** The connection is closing. */
  remove(connection: BufferedConnection): void {
    const record = this.records.get(connection)
    if (record === undefined) return
    this.total -= record.bytes
    this.records.delete(connection)
  }

  /** Whether so much memory is in use that no session should be given what can wait. */
  get nearlyFull(): boolean {
    return this.memory > NEARLY_FULL_SHARE * this.options.limits.sendBufferWorkerBytes
  }

  /** The upper bound of the memory that all buffers take. */
  private get memory(): number {
    return Math.min(this.total, this.held + this.options.frameBytes.made - this.heldAt)
  }

  private sample(): void {
    this.timer = null
    this.measureAll()
    this.options.metrics.sendBuffer(this.memory)
    if (this.records.size > 0) this.timer = this.options.clock.after(SAMPLE_MS, () => this.sample())
  }

  private measureAll(): void {
    for (const [connection, record] of this.records) {
      this.measure(connection, record)
      this.moveMark(record)
      if (record.bytes < WATCHED_BYTES_MIN) this.remove(connection)
    }
    const { made } = this.options.frameBytes
    let [alone, held] = [0, Infinity]
    const longestFirst = [...this.records.values()].sort((a, b) => a.madeAfter - b.madeAfter)
    for (const { bytes, madeAfter } of longestFirst) {
      held = Math.min(held, alone + made - madeAfter)
      alone += bytes
    }
    this.held = Math.min(held, alone)
    this.heldAt = made
  }

  private measure(connection: BufferedConnection, record: BufferRecord): void {
    const { sendBufferSoftBytes, sendBufferSoftTime, sendBufferHardBytes } = this.options.limits
    const now = this.options.clock.monotonic()
    const bytes = connection.bufferedBytes
    this.total += bytes - record.bytes
    record.bytes = bytes
    if (bytes < sendBufferSoftBytes) record.aboveSince = null
    else record.aboveSince ??= now
    const tooLong = record.aboveSince !== null && now - record.aboveSince >= sendBufferSoftTime
    if (tooLong || bytes > sendBufferHardBytes) this.close(connection)
  }

  /** Moves the mark: a buffer that holds nothing of what was written before it holds only what was made after it. */
  private moveMark(record: BufferRecord): void {
    if (record.sent - record.bytes < record.markSent) return
    record.madeAfter = record.markMade
    record.markSent = record.sent
    record.markMade = this.options.frameBytes.flushed
  }

  /** Closes the connections with the largest buffers until the worker's limit is kept. */
  private closeLargest(): void {
    this.measureAll()
    let excess = this.memory - this.options.limits.sendBufferWorkerBytes
    if (excess <= 0) return
    const largestFirst = [...this.records].sort(([, a], [, b]) => b.bytes - a.bytes)
    for (const [connection, { bytes }] of largestFirst) {
      if (excess <= 0) return
      excess -= bytes
      this.close(connection)
    }
  }

  private close(connection: BufferedConnection): void {
    this.remove(connection)
    this.options.metrics.slowConsumer()
    connection.closeSlow()
  }
}

function newRecord(made: number): BufferRecord {
  return { bytes: 0, aboveSince: null, madeAfter: made, sent: 0, markSent: 0, markMade: made }
}
