/** Tells a stale subscription, which receives nothing any more: silence and heads raise the suspicion, the log proves it. Pure. */
import type { Offset } from '@wazo-websocketd/shared/domain/position'

/** A subscription without a batch or state for so long may be stale. */
const SILENCE_MS = 3_000
/** A head above the cursor may announce a batch that is on its way, but not for so long. */
const HEAD_ABOVE_MS = 1_000
/** So many recoveries in a row that find what should have come live, without a message in between, prove it. */
const MISSED_RECOVERIES_MAX = 2

/** Why the log has to be read. The silence may be that of the ingests: only the log shows it. */
export type Suspicion = 'silence' | 'head'

/**
 * Suspects that a subscription gets nothing any more, by silence or by heads above the cursor. All times are
 * milliseconds of a monotonic clock.
 */
export class StaleSubscription {
  private lastMessageAt: number
  private headAboveSince: number | null = null
  /** Stands until the next message. */
  private suspicion: Suspicion | null = null
  /** Recoveries in a row that found what had not come live. */
  private missedRecoveries = 0

  constructor(now: number) {
    this.lastMessageAt = now
  }

  /** Counts silence from now on: the subscription begins, or what came before has been read. */
  restart(now: number): void {
    this.lastMessageAt = now
  }

  /** Takes note of a message of the epoch in force. */
  messageReceived(now: number): void {
    this.lastMessageAt = now
    this.suspicion = null
    this.missedRecoveries = 0
  }

  /** Takes note of the head that a state reports: above the cursor, or not. */
  headReported(above: boolean, now: number): void {
    this.headAboveSince = above ? (this.headAboveSince ??= now) : null
  }

  /** Forgets a head above the cursor: the cursor moves, or a recovery begins. */
  forgetHead(): void {
    this.headAboveSince = null
  }

  /** Returns why the log has to be read now, or null. */
  suspicionDue(now: number): Suspicion | null {
    if (now - this.lastMessageAt >= SILENCE_MS) {
      this.lastMessageAt = now
      return (this.suspicion = 'silence')
    }
    if (this.headAboveSince === null || now - this.headAboveSince < HEAD_ABOVE_MS) return null
    return (this.suspicion ??= 'head')
  }

  /** Takes note of a recovery from `from` to `reached`, with events or without. True: the subscription is stale. */
  recovered(from: Offset | null, reached: Offset, events: boolean): boolean {
    const { suspicion } = this
    this.suspicion = null
    if (suspicion === null || from === null || reached === from) return false
    this.missedRecoveries++
    const stale = (suspicion === 'silence' && events) || this.missedRecoveries >= MISSED_RECOVERIES_MAX
    if (stale) this.missedRecoveries = 0
    return stale
  }
}
