import type { Offset } from '@wazo-websocketd/shared/domain/position'
import type { Delivery } from '../normalise/delivery.js'

/** A place in the stream and the fingerprint of the message there. */
export interface StreamMark {
  readonly offset: Offset
  readonly fingerprint: string
}

interface Entry extends StreamMark {
  /** Monotonic milliseconds. */
  readonly at: number
  /** Bytes that had gone by when the entry was made. */
  readonly bytes: number
}

export interface RingOptions {
  /** How far back the log reaches. */
  readonly historyMs: number
  readonly historyBytes: number
}

const ENTRY_INTERVAL_MS = 1000
/** A burst makes entries of its own, so that the log can be cut by bytes within a second, too. */
const ENTRIES_PER_HISTORY_BYTES = 64

/**
 * Answers "where was the stream `redis.history` ago" without trusting any clock but the monotonic one.
 * Holds about one entry a second, and those of bursts: bounded by the history on both counts. Pure.
 */
export class StreamHistory {
  private readonly entries: Entry[] = []
  private bytes = 0
  /** The last delivery that `bytes` holds: what is read again after attaching is not counted again. */
  private counted: Offset = -1
  private readonly options: RingOptions

  constructor(options: RingOptions) {
    this.options = options
  }

  /** These went by, in the order of the stream. */
  count(passed: readonly Pick<Delivery, 'offset' | 'bytes'>[]): void {
    for (const { offset, bytes } of passed) {
      if (offset <= this.counted) continue
      this.counted = offset
      this.bytes += bytes
    }
  }

  /** Head moved to `mark`; what went by on the way has been counted. */
  advance(mark: StreamMark, now: number): void {
    const latest = this.entries.at(-1)
    if (latest !== undefined && mark.offset <= latest.offset) return
    const grain = this.options.historyBytes / ENTRIES_PER_HISTORY_BYTES
    if (latest !== undefined && now - latest.at < ENTRY_INTERVAL_MS && this.bytes - latest.bytes < grain)
      return
    this.entries.push({ offset: mark.offset, fingerprint: mark.fingerprint, at: now, bytes: this.bytes })
    while (this.tooOld(this.entries[1], now)) this.entries.shift()
  }

  /** The newest mark that is old enough for everything before it to be forgotten; null: keep everything. */
  trimTo(now: number): Offset | null {
    const oldest = this.entries[0]
    return this.tooOld(oldest, now) ? (oldest?.offset ?? null) : null
  }

  /**
   * Where to start when the history has to be published again, no longer ago than `reachMs`; null: this
   * ingest has seen nothing yet.
   */
  start(now: number, reachMs: number): StreamMark | null {
    return this.entries.find(({ at }) => now - at <= reachMs) ?? this.entries.at(-1) ?? null
  }

  /** Another numbering began: nothing remembered is true any more. */
  clear(): void {
    this.entries.length = 0
    this.bytes = 0
    this.counted = -1
  }

  private tooOld(entry: Entry | undefined, now: number): boolean {
    if (entry === undefined) return false
    return now - entry.at >= this.options.historyMs || this.bytes - entry.bytes >= this.options.historyBytes
  }
}
