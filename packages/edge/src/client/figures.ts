import { isRecord } from '@wazo-websocketd/shared/domain/guards'
import { Latencies } from '@wazo-websocketd/shared/runtime/latencies'

/** Wazo's form: UTC without a zone, microseconds. */
const TIMESTAMP = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(Z|[+-]\d\d:?\d\d)?$/
/** A time further away is that of another clock or zone, or of no publishing at all. */
const AGE_MS_MAX = 600_000
const AHEAD_MS_MAX = 1000

/** Counts what a tail has seen, and tells it at its end. */
export class Figures {
  private readonly latencies = new Latencies()
  private readonly now: () => number
  private firstAt: number | null = null
  private lastAt = 0
  private events = 0
  filteredOut = 0
  reconnects = 0
  gaps = 0

  /** @param now Unix time, milliseconds with fractions */
  constructor(now: () => number) {
    this.now = now
  }

  /** An event has arrived; its latency counts if the body has the time of its publishing. */
  event(parsed: unknown): void {
    this.lastAt = this.now()
    this.firstAt ??= this.lastAt
    this.events++
    const age = this.lastAt - publishedAt(parsed)
    if (age <= AGE_MS_MAX && age >= -AHEAD_MS_MAX) this.latencies.record(age)
  }

  /** One or two lines; the rate is that between the first and the last event. */
  lines(): string[] {
    const seconds = this.firstAt === null ? 0 : (this.lastAt - this.firstAt) / 1000
    const rate =
      seconds > 0 ? ` in ${seconds.toFixed(1)} s (${((this.events - 1) / seconds).toFixed(1)}/s)` : ''
    const summary = this.latencies.summary()
    const counts = [
      `${this.events} events${rate}`,
      ...(this.filteredOut > 0 ? [`${this.filteredOut} of them filtered out`] : []),
      ...(this.reconnects > 0 ? [`${this.reconnects} reconnects`] : []),
      ...(this.gaps > 0 ? [`${this.gaps} gaps`] : []),
    ]
    if (summary === null) return [counts.join(', ')]
    const all = this.latencies.count === this.events ? '' : ` of ${this.latencies.count} events`
    return [counts.join(', '), `latency from the body's timestamp${all}: ${summary}`]
  }
}

/** Unix time in milliseconds; NaN where the body does not say. */
function publishedAt(parsed: unknown): number {
  if (!isRecord(parsed) || typeof parsed['timestamp'] !== 'string') return NaN
  const text = parsed['timestamp']
  const match = TIMESTAMP.exec(text)
  return match === null ? NaN : Date.parse(match[1] === undefined ? `${text.replace(' ', 'T')}Z` : text)
}
