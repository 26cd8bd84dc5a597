import { EnvelopeError, type SealedBatch } from '@wazo-websocketd/shared/domain/envelope'
import type { BusEvent } from '@wazo-websocketd/shared/domain/event'
import type { Epoch, Offset } from '@wazo-websocketd/shared/domain/identity'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import type { Position } from './cursor.js'
import type { LogSource } from './log.js'
import { openEntry, type Page } from './recovery.js'

/** Of the log, read at once for sessions: what a socket is given without being asked again. */
export const SHARED_PAGE_BYTES_MAX = 256 * 1024
/** Pages kept by a worker: their number, and the bytes of their entries. Opened, they take about three times as much. */
const PAGES_MAX = 128
const PAGES_BYTES_MAX = 16 * 1024 * 1024
/** A page that nobody has used for so long is forgotten. */
const UNUSED_MS_MAX = 3_000
/** Bytes of pages handed out in one turn of the event loop: others are served in between. */
const TURN_BYTES_MAX = 4 * 1024 * 1024
/** A page of few bytes costs its reader some time all the same. */
const HANDING_BYTES_MIN = 512
/** Between two reads where the log ends: the sessions that stand there wait for each other. */
const END_INTERVAL_MS = 50

/** Entries of the log that follow `from`, and each other, without a gap. */
interface Kept {
  readonly partition: number
  readonly from: Position
  readonly last: Offset
  readonly page: Page
  readonly entries: readonly SealedBatch[]
  readonly bytes: number
  usedAt: number
}

interface Reader {
  readonly at: Position
  readonly take: (page: Page) => void
  readonly fail: (error: unknown) => void
}

/** What one partition's readers wait for. */
interface Desk {
  readonly waiting: Set<Reader>
  reading: boolean
  /** Where the last read has ended, and when it found the end of the log there. */
  swept: Offset
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
  /** The one used last at the end. */
  private readonly kept = new Set<Kept>()
  private keptBytes = 0
  private readonly desks = new Map<number, Desk>()
  private readonly ready = new Set<{
    readonly reader: Reader
    readonly page: Page
    readonly kept: Kept | null
  }>()
  /** Bytes that may yet be handed out in this turn. */
  private room = TURN_BYTES_MAX
  private pausing = false

  constructor(log: LogSource, clock: Clock) {
    this.log = log
    this.clock = clock
  }

  /** What follows `at`, as `LogSource.page`. */
  page(partition: number, at: Position): Promise<Page> {
    return new Promise((take, fail) => {
      const reader = { at, take, fail }
      for (const kept of this.kept) {
        if (kept.partition !== partition || !follows(kept, at)) continue
        kept.usedAt = this.clock.monotonic()
        this.kept.delete(kept)
        this.kept.add(kept)
        this.hand(reader, kept.page, kept)
        return
      }
      let desk = this.desks.get(partition)
      desk ??= { waiting: new Set(), reading: false, swept: 0, endAt: -Infinity }
      this.desks.set(partition, desk)
      desk.waiting.add(reader)
      this.readOn(partition, desk)
    })
  }

  private readOn(partition: number, desk: Desk): void {
    if (desk.reading || desk.waiting.size === 0) return
    desk.reading = true
    const wait = desk.endAt + END_INTERVAL_MS - this.clock.monotonic()
    if (wait > 0 && nextPlace(desk) === desk.swept) this.clock.after(wait, () => this.read(partition, desk))
    else this.read(partition, desk)
  }

  private read(partition: number, desk: Desk): void {
    const asked = new Set(desk.waiting)
    const after = nextPlace(desk)
    this.log.page(partition, after, SHARED_PAGE_BYTES_MAX).then(
      (page) => {
        const kept = this.keep(partition, after, page)
        desk.swept = kept?.last ?? after
        if (desk.swept >= (page.meta?.head ?? 0)) desk.endAt = this.clock.monotonic()
        for (const reader of desk.waiting) {
          if (kept !== null && follows(kept, reader.at)) this.hand(reader, page, kept)
          else if (asked.has(reader) && tells(page, kept, after, reader.at.offset)) this.hand(reader, page)
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

  /** null: it is not what those need who ask later. */
  private keep(partition: number, after: Offset, page: Page): Kept | null {
    const { meta } = page
    const entries = meta === null ? null : chained(page.entries, meta.epoch)
    const last = entries?.at(-1)?.last
    if (meta === null || entries === null || last === undefined) return null
    const bytes = page.entries.reduce((sum, entry) => sum + (entry as Uint8Array).length, 0)
    const [from, usedAt] = [{ epoch: meta.epoch, offset: after }, this.clock.monotonic()]
    const kept = { partition, from, last, page, entries, bytes, usedAt }
    for (const old of this.kept)
      if (old.partition === partition && old.from.epoch !== meta.epoch) this.drop(old)
    if (this.kept.size === 0) this.clock.after(UNUSED_MS_MAX, () => this.forget())
    this.kept.add(kept)
    this.keptBytes += bytes
    for (const old of this.kept) {
      if (this.kept.size <= PAGES_MAX && this.keptBytes <= PAGES_BYTES_MAX) break
      this.drop(old)
    }
    return kept
  }

  private drop(kept: Kept): void {
    if (this.kept.delete(kept)) this.keptBytes -= kept.bytes
  }

  private forget(): void {
    const before = this.clock.monotonic() - UNUSED_MS_MAX
    for (const kept of this.kept) if (kept.usedAt <= before) this.drop(kept)
    if (this.kept.size > 0) this.clock.after(UNUSED_MS_MAX, () => this.forget())
  }

  private hand(reader: Reader, page: Page, kept: Kept | null = null): void {
    this.ready.add({ reader, page, kept })
    if (this.room > 0) this.handOut()
  }

  private handOut(): void {
    for (const next of this.ready) {
      if (this.room <= 0) break
      this.ready.delete(next)
      const { reader, page, kept } = next
      const entries = kept?.entries.slice(firstAbove(kept, reader.at.offset)) ?? page.entries
      this.room -=
        HANDING_BYTES_MIN + (kept === null ? 0 : (kept.bytes * entries.length) / kept.entries.length)
      reader.take({ ...page, entries })
    }
    if (this.pausing || this.room === TURN_BYTES_MAX) return
    this.pausing = true
    this.clock.after(0, () => {
      this.pausing = false
      this.room = TURN_BYTES_MAX
      this.handOut()
    })
  }
}

/** Where to read next: the lowest place above the last read; if there is none, the lowest. */
function nextPlace({ waiting, swept }: Desk): Offset {
  let [lowest, next] = [Infinity, Infinity]
  for (const { at } of waiting) {
    lowest = Math.min(lowest, at.offset)
    if (at.offset >= swept) next = Math.min(next, at.offset)
  }
  return next === Infinity ? lowest : next
}

/** The entries, opened once for all readers; null unless they are of `epoch`, and each follows the one before. */
function chained(entries: Page['entries'], epoch: Epoch): readonly SealedBatch[] | null {
  const batches: SealedBatch[] = []
  try {
    for (const entry of entries) {
      const batch = openEntry(entry)
      if (batch.epoch !== epoch || batch.prev > (batches.at(-1)?.last ?? Infinity)) return null
      let events: readonly BusEvent[] | null = null
      batches.push({ ...batch, open: () => (events ??= batch.open()) as BusEvent[] })
    }
  } catch (error) {
    if (error instanceof EnvelopeError) return null
    throw error
  }
  return batches
}

/** Whether it holds what is next after `at`. */
function follows(kept: Kept, { epoch, offset }: Position): boolean {
  if (epoch !== kept.from.epoch || offset < kept.from.offset || offset >= kept.last) return false
  return (kept.entries[firstAbove(kept, offset)]?.prev ?? Infinity) <= offset
}

function firstAbove({ entries }: Kept, offset: Offset): number {
  return entries.findIndex(({ last }) => last > offset)
}

/** Whether a page read from `after` on tells all that a reader at `offset` would have been told. */
function tells(page: Page, kept: Kept | null, after: Offset, offset: Offset): boolean {
  if (offset <= after || page.entries.length === 0) return offset >= after
  return kept !== null && offset < kept.last
}
