/** wazo-auth's clock, seen through the `Date` header of its answers. Pure. */

/** Two quartz clocks part by less than this: milliseconds per millisecond. */
const DRIFT = 0.0002
/** `Date` is cut to whole seconds: the true time is up to so much later. */
const TRUNCATION_MS = 1_000
/** The most that is told. Slow answers alone leave more open: then a wall clock that they allow keeps it true. */
const UNCERTAINTY_MS_MAX = TRUNCATION_MS / 2

/** wazo-auth's time minus the monotonic clock lies between these, as seen at `at`. */
interface Bounds {
  readonly low: number
  readonly high: number
  readonly at: number
}

/**
 * Estimates wazo-auth's time from answers: each one bounds it, together they narrow it down to far less
 * than the second to which `Date` is cut. This machine's wall clock is used before the first answer, and, as
 * long as all of them were too slow to tell the second, to choose among the times that they allow.
 */
export class ClockOffset {
  private bounds: Bounds | null = null
  /** One that contradicts `bounds`: believed when a second one agrees with it. */
  private contradicting: Bounds | null = null

  /**
   * Takes in one answer.
   * @param date value of its `Date` header; anything unreadable is ignored
   * @param sentAt monotonic milliseconds before the request was sent
   * @param receivedAt monotonic milliseconds after its headers had come
   */
  sample(date: string | undefined, sentAt: number, receivedAt: number): void {
    const stamped = date === undefined ? NaN : Date.parse(date)
    if (!Number.isFinite(stamped)) return
    const seen: Bounds = {
      low: stamped - receivedAt,
      high: stamped + TRUNCATION_MS - sentAt,
      at: receivedAt,
    }
    if (this.bounds === null) {
      this.bounds = seen
      return
    }
    const narrowed = meet(this.bounds, seen)
    if (narrowed !== null) {
      this.bounds = narrowed
      this.contradicting = null
      return
    }
    const confirmed = this.contradicting === null ? null : meet(this.contradicting, seen)
    this.contradicting = confirmed === null ? seen : null
    if (confirmed !== null) this.bounds = confirmed
  }

  /**
   * wazo-auth's Unix time in milliseconds.
   * @param monotonic now, by the clock of the samples
   * @param wall now, by this machine's wall clock
   */
  authTime(monotonic: number, wall: number): number {
    if (this.bounds === null) return wall
    const low = monotonic + this.bounds.low
    const high = monotonic + this.bounds.high
    const middle = (low + high) / 2
    const isSure = high - low <= 2 * UNCERTAINTY_MS_MAX
    if (isSure || wall < low || wall > high) return middle
    // A wall clock that is right is then followed to within the uncertainty that is told, wherever it lies.
    return Math.min(Math.max(wall, low + UNCERTAINTY_MS_MAX), high - UNCERTAINTY_MS_MAX)
  }

  /** By how much `authTime` may be wrong at `monotonic`, milliseconds; 500 at most. */
  uncertainty(monotonic: number): number {
    if (this.bounds === null) return UNCERTAINTY_MS_MAX
    const { low, high, at } = this.bounds
    return Math.min((high - low) / 2 + (monotonic - at) * DRIFT, UNCERTAINTY_MS_MAX)
  }
}

/** What both allow, or null when they contradict each other. The older one has had time to drift. */
function meet(older: Bounds, newer: Bounds): Bounds | null {
  const drift = (newer.at - older.at) * DRIFT
  const low = Math.max(older.low - drift, newer.low)
  const high = Math.min(older.high + drift, newer.high)
  return low <= high ? { low, high, at: newer.at } : null
}
