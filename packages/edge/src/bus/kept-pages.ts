import { EnvelopeError, type SealedBatch } from '@wazo-websocketd/shared/domain/envelope'
import type { BusEvent } from '@wazo-websocketd/shared/domain/event'
import type { Epoch, Offset, Position } from '@wazo-websocketd/shared/domain/position'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import { openEntry, type Page } from './page.js'

/** Pages that a worker keeps: their number, and the bytes of their entries. Decoded, they take about three times as much. */
const PAGES_MAX = 128
export const KEPT_BYTES_MAX = 16 * 1024 * 1024
/** A page that no session has used for so long is forgotten. */
const UNUSED_MS_MAX = 3_000

/** Entries of the log that follow `from`, and each other, without a gap. */
export interface KeptPage {
  readonly partition: number
  readonly from: Position
  readonly last: Offset
  readonly page: Page
  readonly entries: readonly SealedBatch[]
  readonly bytes: number
  usedAt: number
}

/** Keeps pages of the log that several sessions are about to need. */
export class KeptPages {
  private readonly clock: Clock
  /** In order of use: the page used last is at the end. */
  private readonly kept = new Set<KeptPage>()
  private bytes = 0

  constructor(clock: Clock) {
    this.clock = clock
  }

  /** Finds a page that holds what is next after `at`. */
  find(partition: number, at: Position): KeptPage | null {
    for (const kept of this.kept) {
      if (kept.partition !== partition || !follows(kept, at)) continue
      kept.usedAt = this.clock.monotonic()
      this.kept.delete(kept)
      this.kept.add(kept)
      return kept
    }
    return null
  }

  /** Keeps a page read from `after` on. null: it is of no use to later readers. */
  keep(partition: number, after: Offset, page: Page): KeptPage | null {
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
    this.bytes += bytes
    for (const old of this.kept) {
      if (this.kept.size <= PAGES_MAX && this.bytes <= KEPT_BYTES_MAX) break
      this.drop(old)
    }
    return kept
  }

  private drop(kept: KeptPage): void {
    if (this.kept.delete(kept)) this.bytes -= kept.bytes
  }

  private forget(): void {
    const before = this.clock.monotonic() - UNUSED_MS_MAX
    for (const kept of this.kept) if (kept.usedAt <= before) this.drop(kept)
    if (this.kept.size > 0) this.clock.after(UNUSED_MS_MAX, () => this.forget())
  }
}

/** The entries, decoded once for all readers; null unless they are of `epoch`, and each follows the one before. */
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

/** Whether `kept` holds what is next after a position. */
export function follows(kept: KeptPage, { epoch, offset }: Position): boolean {
  if (epoch !== kept.from.epoch || offset < kept.from.offset || offset >= kept.last) return false
  return (kept.entries[firstAbove(kept, offset)]?.prev ?? Infinity) <= offset
}

/** The index of the first entry that ends above `offset`. */
export function firstAbove({ entries }: KeptPage, offset: Offset): number {
  return entries.findIndex(({ last }) => last > offset)
}
