import type { Offset } from '@wazo-websocketd/shared/domain/position'
import type { Delivery } from '../normalise/delivery.js'

/** An offset of the stream and the fingerprint of the message there. */
export interface StreamMark {
  readonly offset: Offset
  readonly fingerprint: string
}

interface HistoryEntry extends StreamMark {
  /** Monotonic milliseconds. */
  readonly at: number
  /** Bytes that had passed when the entry was made. */
  readonly bytes: number
}

/** Time and bytes that the log spans. */
export interface HistoryOptions {
  readonly historyMs: number
  readonly historyBytes: number
}

const ENTRY_INTERVAL_MS = 1000
/** A burst makes more entries, so that the log can be cut by bytes within a second, too. */
const ENTRIES_PER_HISTORY_BYTES = 64

/**
 * Remembers where the stream was, back to `redis.history` ago, by the monotonic clock alone.
 * Holds about one entry a second, and those of bursts: bounded by the history on both counts. Pure.
 */
export class StreamHistory {
  private readonly entries: HistoryEntry[] = []
  private bytes = 0
  /** The last delivery in `bytes`: what is read again after attaching is not counted again. */
  private countedUpTo: Offset = -1
  private readonly seenPartitions = new Set<number>()
  private readonly options: HistoryOptions

  constructor(options: HistoryOptions) {
    this.options = options
  }

  /** Counts the bytes of deliveries that passed, in the order of the stream. */
  count(passed: readonly Pick<Delivery, 'offset' | 'bytes'>[]): void {
    for (const { offset, bytes } of passed) {
      if (offset <= this.countedUpTo) continue
      this.countedUpTo = offset
      this.bytes += bytes
    }
  }

  /** Notes that head moved to `mark`; what passed on the way has been counted. */
  advance(mark: StreamMark, now: number): void {
    const latest = this.entries.at(-1)
    if (latest !== undefined && mark.offset <= latest.offset) return
    const entryBytes = this.options.historyBytes / ENTRIES_PER_HISTORY_BYTES
    if (latest !== undefined && now - latest.at < ENTRY_INTERVAL_MS && this.bytes - latest.bytes < entryBytes)
      return
    this.entries.push({ offset: mark.offset, fingerprint: mark.fingerprint, at: now, bytes: this.bytes })
    while (this.isTooOld(this.entries[1], now)) this.entries.shift()
  }

  /** The newest offset below which the log may be cut; null: nothing may be cut yet. */
  trimTo(now: number): Offset | null {
    const oldest = this.entries[0]
    return this.isTooOld(oldest, now) ? (oldest?.offset ?? null) : null
  }

  /** The mark from which to publish the history again, no older than `reachMs`; null: this ingest has seen nothing yet. */
  start(now: number, reachMs: number): StreamMark | null {
    return this.entries.find(({ at }) => now - at <= reachMs) ?? this.entries.at(-1) ?? null
  }

  /** The offset up to which deliveries have passed; -1: none has. */
  get end(): Offset {
    return this.countedUpTo
  }

  /** Notes that the head of a partition is known. */
  see(partition: number): void {
    this.seenPartitions.add(partition)
  }

  /** Partitions whose head has been known in this numbering. */
  get seen(): ReadonlySet<number> {
    return this.seenPartitions
  }

  /** Forgets everything: another numbering began. */
  clear(): void {
    this.seenPartitions.clear()
    this.entries.length = 0
    this.bytes = 0
    this.countedUpTo = -1
  }

  private isTooOld(entry: HistoryEntry | undefined, now: number): boolean {
    if (entry === undefined) return false
    return now - entry.at >= this.options.historyMs || this.bytes - entry.bytes >= this.options.historyBytes
  }
}
