import type { Logger } from 'pino'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import { OutageLog } from '@wazo-websocketd/shared/runtime/outage-log'

/** Bounded, as messages hold what brokers answer. */
const MESSAGES_MAX = 100

/** Failures that are told to operators. */
const KEPT_MAX = 5

export interface FailureRecord {
  readonly at: string
  readonly what: string
}

/** Whose outage a failure belongs to. */
export type FailureCause = 'broker' | 'redis'

/**
 * Logs what keeps events from coming through: an outage of RabbitMQ or of Redis from its begin to its end, any other
 * failure at once, and every `repeatMs` for as long as it is reported.
 */
export class FailureLog {
  private readonly clock: Clock
  private readonly log: Logger
  private readonly repeatMs: number
  private readonly loggedAt = new Map<string, number>()
  private readonly kept: FailureRecord[] = []
  private readonly outages: Readonly<Record<FailureCause, OutageLog>>
  private failing = false

  /** @param redis the outage of Redis, if others tell of it as well. */
  constructor(clock: Clock, log: Logger, repeatMs: number, redis: OutageLog | null = null) {
    this.clock = clock
    this.log = log
    this.repeatMs = repeatMs
    this.outages = {
      broker: new OutageLog({ over: 'RabbitMQ serves again', reminderMs: repeatMs, clock, log }),
      redis: redis ?? new OutageLog({ over: 'Redis serves again', clock, log }),
    }
  }

  /** The last ones that were logged; the newest comes last. */
  get recent(): readonly FailureRecord[] {
    return this.kept
  }

  /** An outage has begun, or lasts until `recovered`; `lasting` is told once it has lasted for `repeatMs`. */
  failed(cause: FailureCause, message: string, lasting = message): void {
    if (!this.failing || this.kept.at(-1)?.what !== message) this.keep(message)
    this.failing = true
    this.outages[cause].fails('ingest', `${message}; trying again`, {
      lasting: `${lasting}; trying again`,
    })
  }

  /** Everything comes through, from RabbitMQ into Redis. Costs nothing where nothing has failed. */
  recovered(): void {
    if (!this.failing) return
    this.failing = false
    for (const outage of Object.values(this.outages)) outage.recovers('ingest')
  }

  /** What does not keep canaries from coming through. `lasting` is logged instead of `message` when that has been logged before. */
  report(message: string, lasting = message): void {
    const now = this.clock.monotonic()
    const at = this.loggedAt.get(message)
    if (at !== undefined && now - at < this.repeatMs) return
    this.keep(message)
    this.loggedAt.delete(message)
    this.loggedAt.set(message, now)
    const [oldest] = this.loggedAt.keys()
    if (this.loggedAt.size > MESSAGES_MAX && oldest !== undefined) this.loggedAt.delete(oldest)
    this.log.error(`${at !== undefined && now - at < 2 * this.repeatMs ? lasting : message}; trying again`)
  }

  private keep(what: string): void {
    this.kept.push({ at: new Date(this.clock.now()).toISOString(), what })
    if (this.kept.length > KEPT_MAX) this.kept.shift()
  }
}
