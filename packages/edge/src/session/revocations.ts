import type { Clock } from '@wazo-websocketd/shared/runtime/clock'

/** How long a look-up may still bring a verdict from before the revocation. */
const REMEMBERED_MS = 60_000
/** Beyond so many the oldest are forgotten early. */
const REMEMBERED_MAX = 100_000

/** Remembers the session uuids whose tokens were deleted within the last minute. */
export class Revocations {
  private readonly clock: Clock
  private readonly until = new Map<string, number>()

  constructor(clock: Clock) {
    this.clock = clock
  }

  get size(): number {
    return this.until.size
  }

  add(sessionUuid: string): void {
    const now = this.clock.monotonic()
    this.until.delete(sessionUuid)
    this.until.set(sessionUuid, now + REMEMBERED_MS)
    // Insertion order is order of expiry.
    for (const [oldest, until] of this.until) {
      if (until > now && this.until.size <= REMEMBERED_MAX) break
      this.until.delete(oldest)
    }
  }

  has(sessionUuid: string): boolean {
    const until = this.until.get(sessionUuid)
    return until !== undefined && until > this.clock.monotonic()
  }
}
