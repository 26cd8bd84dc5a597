import type { Logger } from 'pino'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'

/** Texts hold what brokers answer: so many are remembered. */
const TEXTS_MAX = 100

/** Logs what is wrong, and again every `repeatMs` for as long as it is said again and again. */
export class FailureLog {
  private readonly clock: Clock
  private readonly log: Logger
  private readonly repeatMs: number
  private readonly reportedAt = new Map<string, number>()

  constructor(clock: Clock, log: Logger, repeatMs: number) {
    this.clock = clock
    this.log = log
    this.repeatMs = repeatMs
  }

  /** `lasting`: what to say instead when it has been said before. */
  report(text: string, lasting = text): void {
    const now = this.clock.monotonic()
    const at = this.reportedAt.get(text)
    if (at !== undefined && now - at < this.repeatMs) return
    this.reportedAt.delete(text)
    this.reportedAt.set(text, now)
    const [oldest] = this.reportedAt.keys()
    if (this.reportedAt.size > TEXTS_MAX && oldest !== undefined) this.reportedAt.delete(oldest)
    this.log.error(`${at !== undefined && now - at < 2 * this.repeatMs ? lasting : text}; trying again`)
  }
}
