import { createHistogram } from 'node:perf_hooks'

const HIGHEST_US = 3_600_000_000
const PERCENTILES = [50, 90, 99] as const

/** Measures latencies of any number of events, in bounded memory, to three digits. */
export class Latencies {
  private readonly histogram = createHistogram({ lowest: 1, highest: HIGHEST_US, figures: 3 })

  get count(): number {
    return this.histogram.count
  }

  /** @param ms milliseconds, from 1 us to an hour; what is beyond counts as the bound */
  record(ms: number): void {
    this.histogram.record(Math.min(Math.max(Math.round(ms * 1000), 1), HIGHEST_US))
  }

  /** `p50 0.8 ms, p90 1.2 ms, p99 3.4 ms, max 5.6 ms`; null: nothing was recorded. */
  summary(): string | null {
    if (this.count === 0) return null
    const { histogram } = this
    const parts = PERCENTILES.map((p) => `p${p} ${milliseconds(histogram.percentile(p))}`)
    return [...parts, `max ${milliseconds(histogram.max)}`].join(', ')
  }
}

function milliseconds(us: number): string {
  const ms = us / 1000
  return `${ms < 100 ? ms.toFixed(1) : ms.toFixed(0)} ms`
}
