import type { SessionLimits } from './ops.js'

/** What sums of times may lose by rounding. */
const ROUNDING_MS = 0.01

/** Allows a burst of ops and then a steady rate. Starts full. Times are milliseconds of a monotonic clock. */
export class TokenBucket {
  private readonly limits: SessionLimits
  /** When the bucket will be full again: its whole state. */
  private fullAt: number

  constructor(limits: SessionLimits, now: number) {
    this.limits = limits
    this.fullAt = now
  }

  /** Takes one token and returns 0, or takes none and returns the milliseconds until there is one. */
  take(now: number): number {
    const { opsPerSecond, opsBurst } = this.limits
    const tokenMs = 1000 / opsPerSecond
    const fullAt = Math.max(now, this.fullAt)
    const lackingMs = fullAt - now - (opsBurst - 1) * tokenMs
    if (lackingMs > ROUNDING_MS) return Math.max(1, Math.ceil(lackingMs - ROUNDING_MS / 2))
    this.fullAt = fullAt + tokenMs
    return 0
  }
}
