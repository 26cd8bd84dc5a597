import type { Logger } from 'pino'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'

/** Bounded, as messages hold what brokers answer. */
const MESSAGES_MAX = 100

/** Failures that are told to operators. */
const KEPT_MAX = 5

export interface FailureRecord {
  readonly at: string
  readonly what: string
}

/** Logs each failure at once, and every `repeatMs` for as long as it is reported. */
export class FailureLog {
  private readonly clock: Clock
  private readonly log: Logger
  private readonly repeatMs: number
  private readonly loggedAt = new Map<string, number>()
  private readonly kept: FailureRecord[] = []

  constructor(clock: Clock, log: Logger, repeatMs: number) {
    this.clock = clock
    this.log = log
    this.repeatMs = repeatMs
  }

  /** The last ones that were logged; the newest comes last. */
  get recent(): readonly FailureRecord[] {
    return this.kept
  }

  /** `lasting` is logged instead of `message` when that has been logged before. */
  report(message: string, lasting = message): void {
    const now = this.clock.monotonic()
    const at = this.loggedAt.get(message)
    if (at !== undefined && now - at < this.repeatMs) return
    this.kept.push({ at: new Date(this.clock.now()).toISOString(), what: message })
    if (this.kept.length > KEPT_MAX) this.kept.shift()
    this.loggedAt.delete(message)
    this.loggedAt.set(message, now)
    const [oldest] = this.loggedAt.keys()
    if (this.loggedAt.size > MESSAGES_MAX && oldest !== undefined) this.loggedAt.delete(oldest)
    this.log.error(`${at !== undefined && now - at < 2 * this.repeatMs ? lasting : message}; trying again`)
  }
}
