import type { Offset, Position } from '@wazo-websocketd/shared/domain/position'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import { firstAbove, follows, KeptPages, type KeptPage } from './kept-pages.js'
import type { LogSource } from './log.js'
import type { Page } from './page.js'

/** Of the log, read at once for sessions: what a socket is given without being asked again. */
export const SHARED_PAGE_BYTES_MAX = 256 * 1024
/** Bytes of pages handed out in one turn of the event loop: others are served in between. */
const TURN_BYTES_MAX = 4 * 1024 * 1024
/** A page of few bytes costs its reader some time all the same. */
const HANDING_BYTES_MIN = 512
/** Between two reads where the log ends: the sessions that stand there wait for each other. */
const END_INTERVAL_MS = 50

interface WaitingReader {
  readonly at: Position
  readonly take: (page: Page) => void
  readonly fail: (error: unknown) => void
}

/** What one partition's readers wait for. */
interface PartitionQueue {
  readonly waiting: Set<WaitingReader>
  reading: boolean
  /** Where the last read has ended, and when it found the end of the log there. */
  readUpTo: Offset
  endAt: number
}

/**
 * The log as those sessions of a worker read it that are behind. It is the same for all, so they share its pages.
 *
 * Of a partition one page is read at a time, at the lowest place asked for above the one read last: a crowd is
 * served in one sweep over the log, and Redis has no more to do for it than for one session. A page that is kept may be
 * old: it is for those whom its entries follow without a gap. All else (nothing there, trimmed, another numbering) is
 * told only by a read that began after they had asked.
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
  /** Bytes that may yet be handed out in this turn. */
  private budgetBytes = TURN_BYTES_MAX
  private pausing = false

  constructor(log: LogSource, clock: Clock) {
    this.log = log
    this.clock = clock
    this.pages = new KeptPages(clock)
  }

  /** What follows `at`, as `LogSource.page`. */
  page(partition: number, at: Position): Promise<Page> {
    return new Promise((take, fail) => {
      const reader = { at, take, fail }
      const kept = this.pages.find(partition, at)
      if (kept !== null) {
        this.enqueue(reader, kept.page, kept)
        return
      }
      let desk = this.queues.get(partition)
      desk ??= { waiting: new Set(), reading: false, readUpTo: 0, endAt: -Infinity }
      this.queues.set(partition, desk)
      desk.waiting.add(reader)
      this.readOn(partition, desk)
    })
  }

  private readOn(partition: number, desk: PartitionQueue): void {
    // What has been read is handed out first: the pages that wait for it are not bounded otherwise.
    if (desk.reading || desk.waiting.size === 0 || this.ready.size > 0) return
    desk.reading = true
    const wait = desk.endAt + END_INTERVAL_MS - this.clock.monotonic()
    if (wait > 0 && nextOffset(desk) === desk.readUpTo)
      this.clock.after(wait, () => this.read(partition, desk))
    else this.read(partition, desk)
  }

  private read(partition: number, desk: PartitionQueue): void {
    const asked = new Set(desk.waiting)
    const after = nextOffset(desk)
    this.log.page(partition, after, SHARED_PAGE_BYTES_MAX).then(
      (page) => {
        const kept = this.pages.keep(partition, after, page)
        desk.readUpTo = kept?.last ?? after
        if (desk.readUpTo >= (page.meta?.head ?? 0)) desk.endAt = this.clock.monotonic()
        for (const reader of desk.waiting) {
          if (kept !== null && follows(kept, reader.at)) this.enqueue(reader, page, kept)
          else if (asked.has(reader) && answers(page, kept, after, reader.at.offset))
            this.enqueue(reader, page)
          else continue
          desk.waiting.delete(reader)
        }
        desk.reading = false
        this.readOn(partition, desk)
      },
      (error: unknown) => {
        const failed = [...desk.waiting]
        desk.waiting.clear()
        desk.reading = false
        for (const { fail } of failed) fail(error)
      },
    )
  }

  private enqueue(reader: WaitingReader, page: Page, kept: KeptPage | null = null): void {
    this.ready.add({ reader, page, kept })
    if (this.budgetBytes > 0) this.handOut()
  }

  private handOut(): void {
    for (const next of this.ready) {
      if (this.budgetBytes <= 0) break
      this.ready.delete(next)
      const { reader, page, kept } = next
      const entries = kept?.entries.slice(firstAbove(kept, reader.at.offset)) ?? page.entries
      this.budgetBytes -=
        HANDING_BYTES_MIN + (kept === null ? 0 : (kept.bytes * entries.length) / kept.entries.length)
      reader.take({ ...page, entries })
    }
    if (this.pausing || this.budgetBytes === TURN_BYTES_MAX) return
    this.pausing = true
    this.clock.after(0, () => {
      this.pausing = false
      this.budgetBytes = TURN_BYTES_MAX
      this.handOut()
      for (const [partition, desk] of this.queues) this.readOn(partition, desk)
    })
  }
}

/** Where to read next: the lowest place above the last read; if there is none, the lowest. */
function nextOffset({ waiting, readUpTo }: PartitionQueue): Offset {
  let [lowest, next] = [Infinity, Infinity]
  for (const { at } of waiting) {
    lowest = Math.min(lowest, at.offset)
    if (at.offset >= readUpTo) next = Math.min(next, at.offset)
  }
  return next === Infinity ? lowest : next
}

/** Whether a page read from `after` on tells all that a reader at `offset` would have been told. */
function answers(page: Page, kept: KeptPage | null, after: Offset, offset: Offset): boolean {
  if (offset <= after || page.entries.length === 0) return offset >= after
  return kept !== null && offset < kept.last
}
