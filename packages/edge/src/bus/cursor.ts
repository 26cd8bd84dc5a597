/** Where a reader stands in one partition, and what a message means for it. */
import type { BusEvent } from '@wazo-websocketd/shared/domain/event'
import type { Epoch, Offset, Position } from '@wazo-websocketd/shared/domain/position'

/** A batch as far as continuity is concerned: it follows `prev` and reaches `last`. */
export interface BatchRange {
  readonly epoch: Epoch
  readonly prev: Offset
  readonly last: Offset
}

/** What to do with a batch: its events follow on, are known already, or do not prove continuity. */
export type BatchAction = 'deliver' | 'drop' | 'recover'

/**
 * Judges one batch of the live channel.
 *
 * `prev <= offset < last`: deliver what is above the cursor. `last <= offset`: drop. Another epoch or
 * `prev > offset`: something is missing, only the log can tell.
 */
export function classify(at: Position, batch: BatchRange): BatchAction {
  if (batch.epoch !== at.epoch) return 'recover'
  if (batch.last <= at.offset) return 'drop'
  return batch.prev <= at.offset ? 'deliver' : 'recover'
}

/** Those of `events` (in order) with `from < offset <= to`; the same array when that is all of them. */
export function between(events: readonly BusEvent[], from: Offset, to: Offset): readonly BusEvent[] {
  const first = events[0]
  const final = events[events.length - 1]
  if (first === undefined || final === undefined) return events
  if (first.offset > from && final.offset <= to) return events
  return events.filter((event) => event.offset > from && event.offset <= to)
}
