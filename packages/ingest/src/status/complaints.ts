import type { Logger } from 'pino'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'

/** Texts hold what brokers answer: so many are remembered. */
const TEXTS_MAX = 100

/** Logs what is wrong, and again every `repeatMs` for as long as it is said again and again. */
export class Complaints {
  private readonly clock: Clock
  private readonly log: Logger
  private readonly repeatMs: number
  private readonly said = new Map<string, number>()

  constructor(clock: Clock, log: Logger, repeatMs: number) {
    this.clock = clock
    this.log = log
    this.repeatMs = repeatMs
  }

  /** `lasting`: what to say instead when it has been said before. */
  say(text: string, lasting = text): void {
    const now = this.clock.monotonic()
    const at = this.said.get(text)
    if (at !== undefined && now - at < this.repeatMs) return
    this.said.delete(text)
    this.said.set(text, now)
    const [oldest] = this.said.keys()
    if (this.said.size > TEXTS_MAX && oldest !== undefined) this.said.delete(oldest)
    this.log.error(`${at !== undefined && now - at < 2 * this.repeatMs ? lasting : text}; trying again`)
  }
}
