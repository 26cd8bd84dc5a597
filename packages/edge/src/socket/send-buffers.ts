import type { Clock, Timer } from '@wazo-websocketd/shared/runtime/clock'
import type { SocketLimits, SocketMetrics } from './ports.js'

/** A connection, as far as its send buffer goes. */
export interface Buffering {
  /** Bytes that the operating system has not taken yet. */
  readonly bufferedBytes: number
  /** The client does not keep up: close it. */
  shed(): void
}

export interface SendBuffersOptions {
  readonly clock: Clock
  readonly limits: Pick<
    SocketLimits,
    'sendBufferSoftBytes' | 'sendBufferSoftTime' | 'sendBufferHardBytes' | 'sendBufferWorkerBytes'
  >
  readonly metrics: Pick<SocketMetrics, 'sendBuffer' | 'slowConsumer'>
}

interface Entry {
  bytes: number
  /** Since when the buffer has not been below the soft limit, or null. */
  aboveSince: number | null
}

const SAMPLE_MS = 250
/** Node's default high-water mark; below it a socket is not slow at all. */
const RELAXED_BYTES = 16 * 1024

/**
 * Watches the connections whose sockets did not take everything at once. Bytes shared by several sockets
 * count for each of them, so the sum is an upper bound of the memory in use.
 */
export class SendBuffers {
  private readonly options: SendBuffersOptions
  private readonly entries = new Map<Buffering, Entry>()
  private total = 0
  private timer: Timer | null = null

  constructor(options: SendBuffersOptions) {
    this.options = options
  }

  /** A write did not go through at once. */
  pressed(connection: Buffering): void {
    let entry = this.entries.get(connection)
    if (entry === undefined) this.entries.set(connection, (entry = { bytes: 0, aboveSince: null }))
    this.measure(connection, entry)
    if (this.total > this.options.limits.sendBufferWorkerBytes) this.relieve()
    this.timer ??= this.options.clock.after(SAMPLE_MS, () => this.sample())
  }

  /** The connection is closing. */
  remove(connection: Buffering): void {
    const entry = this.entries.get(connection)
    if (entry === undefined) return
    this.total -= entry.bytes
    this.entries.delete(connection)
  }

  private sample(): void {
    this.timer = null
    this.measureAll()
    this.options.metrics.sendBuffer(this.total)
    if (this.entries.size > 0) this.timer = this.options.clock.after(SAMPLE_MS, () => this.sample())
  }

  private measureAll(): void {
    for (const [connection, entry] of this.entries) {
      this.measure(connection, entry)
      if (entry.bytes < RELAXED_BYTES) this.remove(connection)
    }
  }

  private measure(connection: Buffering, entry: Entry): void {
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

  /** Sheds the largest until the worker's share of memory is kept. */
  private relieve(): void {
    this.measureAll()
    const { sendBufferWorkerBytes } = this.options.limits
    if (this.total <= sendBufferWorkerBytes) return
    const largestFirst = [...this.entries].sort(([, a], [, b]) => b.bytes - a.bytes)
    for (const [connection] of largestFirst) {
      if (this.total <= sendBufferWorkerBytes) return
      this.shed(connection)
    }
  }

  private shed(connection: Buffering): void {
    this.remove(connection)
    this.options.metrics.slowConsumer()
    connection.shed()
  }
}
