/**
 * Allows a burst and then a steady rate. Starts full. Times are milliseconds of a monotonic clock.
 */
export class TokenBucket {
  private readonly perMillisecond: number
  private readonly burst: number
  private level: number
  private filledAt: number

  constructor(perSecond: number, burst: number, now: number) {
    this.perMillisecond = perSecond / 1000
    this.burst = burst
    this.level = burst
    this.filledAt = now
  }

  /** Takes one token and returns 0, or takes none and returns the milliseconds until there is one. */
  take(now: number): number {
    this.level = Math.min(this.burst, this.level + Math.max(0, now - this.filledAt) * this.perMillisecond)
    this.filledAt = now
    if (this.level >= 1) {
      this.level -= 1
      return 0
    }
    return Math.max(1, Math.ceil((1 - this.level) / this.perMillisecond))
  }
}
