import type { Logger } from 'pino'
import type { Clock, Timer } from './clock.js'

const WINDOW_MS = 10_000
const PER_WINDOW = 5
const KINDS_MAX = 100
const OTHER = 'other'

interface Window {
  logged: number
  suppressed: number
  timer: Timer
}

/**
 * Logs what outside events cause at a bounded rate: of each kind five in ten seconds, then one that says how many
 * were suppressed. Kinds are names in the code; should there be more than 100, the rest share one.
 */
export class RateLimitedLog {
  private readonly logger: Logger
  private readonly clock: Clock
  private readonly windows = new Map<string, Window>()

  constructor(logger: Logger, clock: Clock) {
    this.logger = logger
    this.clock = clock
  }

  /** Logs a warning, or counts it as suppressed. */
  warn(kind: string, fields: object, message: string): void {
    if (this.allow(kind)) this.logger.warn(fields, message)
  }

  /** Logs an error, or counts it as suppressed. */
  error(kind: string, fields: object, message: string): void {
    if (this.allow(kind)) this.logger.error(fields, message)
  }

  /** Ends the windows that are open and reports what they suppressed. */
  close(): void {
    for (const kind of [...this.windows.keys()]) this.end(kind)
  }

  private allow(wanted: string): boolean {
    const kind = this.windows.has(wanted) || this.windows.size < KINDS_MAX ? wanted : OTHER
    let window = this.windows.get(kind)
    if (window === undefined) {
      window = { logged: 0, suppressed: 0, timer: this.clock.after(WINDOW_MS, () => this.end(kind)) }
      this.windows.set(kind, window)
    }
    if (window.logged < PER_WINDOW) {
      window.logged++
      return true
    }
    window.suppressed++
    return false
  }

  private end(kind: string): void {
    const window = this.windows.get(kind)
    if (window === undefined) return
    this.windows.delete(kind)
    window.timer.cancel()
    if (window.suppressed > 0) {
      const { suppressed } = window
      this.logger.warn({ kind, suppressed }, `${suppressed} similar messages suppressed`)
    }
  }
}
