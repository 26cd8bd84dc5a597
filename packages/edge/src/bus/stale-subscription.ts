/** Whether a subscription is deaf: suspected by silence and by heads, proven by what the log then holds. Pure. */
import type { Offset } from '@wazo-websocketd/shared/domain/position'

/** With neither batch nor state for so long, the subscription may be deaf. */
const SILENCE_MS = 3_000
/** A head above the cursor may be a batch under way; for so long it is not. */
const HEAD_ABOVE_MS = 1_000
/** So many recoveries in a row that find what should have come live, and no word in between: the subscription is deaf. */
const MISSED_RECOVERIES_MAX = 2

/** Why the log has to be looked at. The silence may be that of the ingests: the log tells. */
export type Suspicion = 'silence' | 'head'

/** All times are milliseconds of a monotonic clock. */
export class StaleSubscription {
  private lastMessageAt: number
  private headAboveSince: number | null = null
  /** Until the subscription is heard again. */
  private suspicion: Suspicion | null = null
  /** Recoveries in a row that found what nobody had heard. */
  private missedRecoveries = 0
  /** Where the running recovery began. */
  private from: Offset | null = null

  constructor(now: number) {
    this.lastMessageAt = now
  }

  /** The subscription begins, or what came before has been read: silence counts from now on. */
  restart(now: number): void {
    this.lastMessageAt = now
  }

  /** A message of the epoch in force came over the subscription. */
  messageReceived(now: number): void {
    this.lastMessageAt = now
    this.suspicion = null
    this.missedRecoveries = 0
  }

  /** A state tells the head: above the cursor, or not. */
  headReported(above: boolean, now: number): void {
    this.headAboveSince = above ? (this.headAboveSince ??= now) : null
  }

  /** The cursor moves. */
  cursorMoved(): void {
    this.headAboveSince = null
  }

  /** Why the log has to be looked at now, or null. */
  suspicionDue(now: number): Suspicion | null {
    if (now - this.lastMessageAt >= SILENCE_MS) {
      this.lastMessageAt = now
      return (this.suspicion = 'silence')
    }
    if (this.headAboveSince === null || now - this.headAboveSince < HEAD_ABOVE_MS) return null
    return (this.suspicion ??= 'head')
  }

  /** A recovery begins at the cursor. */
  reads(from: Offset | null): void {
    this.from = from
    this.headAboveSince = null
  }

  /** The recovery has come to `reached`, with events or without. True: what it read should have come live, and cannot. */
  recovered(reached: Offset, events: boolean): boolean {
    const { suspicion, from } = this
    this.suspicion = null
    if (suspicion === null || from === null || reached === from) return false
    this.missedRecoveries++
    const deaf = (suspicion === 'silence' && events) || this.missedRecoveries >= MISSED_RECOVERIES_MAX
    if (deaf) this.missedRecoveries = 0
    return deaf
  }
}
