import type { Clock } from '@wazo-websocketd/shared/runtime/clock'

/** So many deaths within a minute are a loop. */
const DEATHS = 4
const WINDOW_MS = 60_000

/**
 * Tells whether the worker of a place dies again and again, and so has one line a minute instead of one for each
 * death.
 */
export class CrashLoop {
  private readonly clock: Clock
  /** When workers died, within the last minute. */
  private deaths: number[] = []
  private loggedAt = -Infinity

  constructor(clock: Clock) {
    this.clock = clock
  }

  /** A worker has died. Gives how many did so within the last minute, and whether the log is to say so: as a loop, or alone. */
  died(): { readonly deaths: number; readonly tell: 'alone' | 'loop' | null } {
    const now = this.clock.monotonic()
    this.deaths = [...this.deaths.filter((at) => now - at < WINDOW_MS), now]
    const deaths = this.deaths.length
    if (deaths < DEATHS) return { deaths, tell: 'alone' }
    if (now - this.loggedAt < WINDOW_MS) return { deaths, tell: null }
    this.loggedAt = now
    return { deaths, tell: 'loop' }
  }
}
