/** Decides what a batch means for a reader that stands at a position (ADR 1). Pure. */
import type { BusEvent } from '@wazo-websocketd/shared/domain/event'
import type { Epoch, Offset, Position } from '@wazo-websocketd/shared/domain/position'

/** The range of a batch: it follows `prev` and reaches `last`. */
export interface BatchRange {
  readonly epoch: Epoch
  readonly prev: Offset
  readonly last: Offset
}

/** What to do with a batch: it follows the position, is known already, or leaves a gap. */
export type BatchAction = 'deliver' | 'drop' | 'recover'

/**
 * Classifies a batch of the live channel.
 *
 * `prev <= offset < last`: deliver what is above the position. `last <= offset`: drop. Another epoch or
 * `prev > offset`: something is missing, which only the log can show.
 */
export function classify(at: Position, batch: BatchRange): BatchAction {
  if (batch.epoch !== at.epoch) return 'recover'
  if (batch.last <= at.offset) return 'drop'
  return batch.prev <= at.offset ? 'deliver' : 'recover'
}

/** The events (in order) with `from < offset <= to`; the same array when that is all of them. */
export function between(events: readonly BusEvent[], from: Offset, to: Offset): readonly BusEvent[] {
  const first = events[0]
  const final = events[events.length - 1]
  if (first === undefined || final === undefined) return events
  if (first.offset > from && final.offset <= to) return events
  return events.filter((event) => event.offset > from && event.offset <= to)
}
