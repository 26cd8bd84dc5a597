import type { Offset, Position } from '@wazo-websocketd/shared/domain/position'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import { firstAbove, follows, KeptPages, type KeptPage } from './kept-pages.js'
import type { LogSource } from './log.js'
import type { Page } from './page.js'

/** Bytes of one page for sessions: so much a socket is given before it is asked again whether it takes more. */
export const SHARED_PAGE_BYTES_MAX = 256 * 1024
/** Bytes of pages given to readers in one turn of the event loop: other work is done in between. */
const TURN_BYTES_MAX = 4 * 1024 * 1024
/** What a page counts for besides its bytes: also a small one costs its reader some time. */
const PAGE_BYTES_MIN = 512
/** Between two reads where the log ends: the sessions that stand there share one. */
const END_INTERVAL_MS = 50

interface WaitingReader {
  readonly at: Position
  readonly take: (page: Page) => void
  readonly fail: (error: unknown) => void
}

/** The readers of one partition that wait for a page. */
interface PartitionQueue {
  readonly waiting: Set<WaitingReader>
  reading: boolean
  /** Where the last read ended, and when a read found the end of the log. */
  readUpTo: Offset
  endAt: number
}

/**
 * Reads the log for all sessions of a worker that lag behind. It is the same for all, so they share its pages.
 *
 * One page of a partition is read at a time, from the lowest position above the last page: a crowd is served in one pass
 * over the log, and Redis has no more to do for it than for one session. A kept page may be old, so it serves only
 * readers whose position its entries follow without a gap. All else (nothing there, trimmed, another numbering) is
 * answered only by a read that began after the question.
 */
export class SharedLog {
  private readonly log: LogSource
  private readonly clock: Clock
  private readonly pages: KeptPages
  private readonly queues = new Map<number, PartitionQueue>()
  private readonly ready = new Set<{
    readonly reader: WaitingReader
    readonly page: Page
    readonly kept: KeptPage | null
  }>()
  /** Bytes that may still be given out in this turn. */
  private budgetBytes = TURN_BYTES_MAX
  private isPausing = false

  constructor(log: LogSource, clock: Clock) {
    this.log = log
    this.clock = clock
    this.pages = new KeptPages(clock)
  }

  /** Reads what follows `at`, as `LogSource.page`. */
  page(partition: number, at: Position): Promise<Page> {
    return new Promise((take, fail) => {
      const reader = { at, take, fail }
      const kept = this.pages.find(partition, at)
      if (kept !== null) {
        this.enqueue(reader, kept.page, kept)
        return
      }
      let queue = this.queues.get(partition)
      queue ??= { waiting: new Set(), reading: false, readUpTo: 0, endAt: -Infinity }
      this.queues.set(partition, queue)
      queue.waiting.add(reader)
      this.readOn(partition, queue)
    })
  }

  private readOn(partition: number, queue: PartitionQueue): void {
    // What has been read is given out first: nothing else bounds the pages that wait for that.
    if (queue.reading || queue.waiting.size === 0 || this.ready.size > 0) return
    queue.reading = true
    const wait = queue.endAt + END_INTERVAL_MS - this.clock.monotonic()
    if (wait > 0 && nextOffset(queue) === queue.readUpTo)
      this.clock.after(wait, () => this.read(partition, queue))
    else this.read(partition, queue)
  }

  private read(partition: number, queue: PartitionQueue): void {
    const asked = new Set(queue.waiting)
    const after = nextOffset(queue)
    this.log.page(partition, after, SHARED_PAGE_BYTES_MAX).then(
      (page) => {
        const kept = this.pages.keep(partition, after, page)
        queue.readUpTo = kept?.last ?? after
        if (queue.readUpTo >= (page.meta?.head ?? 0)) queue.endAt = this.clock.monotonic()
        for (const reader of queue.waiting) {
          if (kept !== null && follows(kept, reader.at)) this.enqueue(reader, page, kept)
          else if (asked.has(reader) && coversReadFrom(page, kept, after, reader.at.offset))
            this.enqueue(reader, page)
          else continue
          queue.waiting.delete(reader)
        }
        queue.reading = false
        this.readOn(partition, queue)
      },
      (error: unknown) => {
        const failed = [...queue.waiting]
        queue.waiting.clear()
        queue.reading = false
        for (const { fail } of failed) fail(error)
      },
    )
  }

  private enqueue(reader: WaitingReader, page: Page, kept: KeptPage | null = null): void {
    this.ready.add({ reader, page, kept })
    if (this.budgetBytes > 0) this.giveOut()
  }

  private giveOut(): void {
    for (const next of this.ready) {
      if (this.budgetBytes <= 0) break
      this.ready.delete(next)
      const { reader, page, kept } = next
      const entries = kept?.entries.slice(firstAbove(kept, reader.at.offset)) ?? page.entries
      this.budgetBytes -=
        PAGE_BYTES_MIN + (kept === null ? 0 : (kept.bytes * entries.length) / kept.entries.length)
      reader.take({ ...page, entries })
    }
    if (this.isPausing || this.budgetBytes === TURN_BYTES_MAX) return
    this.isPausing = true
    this.clock.after(0, () => {
      this.isPausing = false
      this.budgetBytes = TURN_BYTES_MAX
      this.giveOut()
      for (const [partition, queue] of this.queues) this.readOn(partition, queue)
    })
  }
}

/** Where to read next: the lowest position above the last read; if there is none, the lowest. */
function nextOffset({ waiting, readUpTo }: PartitionQueue): Offset {
  let [lowest, next] = [Infinity, Infinity]
  for (const { at } of waiting) {
    lowest = Math.min(lowest, at.offset)
    if (at.offset >= readUpTo) next = Math.min(next, at.offset)
  }
  return next === Infinity ? lowest : next
}

/** Whether a page read from `after` on answers all that one read from `offset` would. */
function coversReadFrom(page: Page, kept: KeptPage | null, after: Offset, offset: Offset): boolean {
  if (offset <= after || page.entries.length === 0) return offset >= after
  return kept !== null && offset < kept.last
}
