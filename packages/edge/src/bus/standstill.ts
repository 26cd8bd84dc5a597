import type { Offset } from '@wazo-websocketd/shared/domain/position'

/** Heads move once a second at least: others that have moved within this time go on. */
const MOVES_MS_MAX = 5_000

/**
 * Tells a partition that stands still while others move: Redis takes nothing for it alone, which shows neither in
 * the state of the ingests nor in the log. Where all stand still (an alarm of the broker) nothing is missing. Pure; times
 * are monotonic milliseconds.
 */
export class Standstill {
  private head: Offset = -1
  private highest: Offset = -1
  private stillSince: number | null = null
  private movedAt = 0

  /** Takes in the heads of all partitions, as an ingest reports them; `head` is the partition's own. */
  heads(head: Offset, heads: readonly Offset[], now: number): void {
    const highest = Math.max(...heads)
    if (head > this.head) this.stillSince = null
    else if (highest > this.highest) {
      // After a time in which no head moved, this one may simply not have had its turn yet.
      if (now - this.movedAt >= MOVES_MS_MAX) this.stillSince = null
      this.stillSince ??= now
      this.movedAt = now
    }
    this.head = Math.max(head, this.head)
    this.highest = Math.max(highest, this.highest)
  }

  /** Whether it has stood still for `graceMs` (5 s at least), and the others still move. */
  due(graceMs: number, now: number): boolean {
    if (this.stillSince === null || now - this.movedAt >= MOVES_MS_MAX) return false
    return now - this.stillSince >= Math.max(graceMs, MOVES_MS_MAX)
  }
}
