/** Every metric of the programs, as their own code declares it. */
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { METRIC_PREFIX, Metrics, type LabelSets } from '@wazo-websocketd/shared/runtime/metrics'
import type { Gauge, GaugeConfiguration, Histogram, HistogramConfiguration } from 'prom-client'

export interface MetricRow {
  /** With the prefix. */
  readonly name: string
  readonly type: string
  /** Each label with its values; null: they are no fixed set. */
  readonly labels: readonly (readonly [name: string, values: readonly string[] | null])[]
  readonly help: string
}

/** Files that declare metrics: each function in them that is called `...Metrics` takes a registry. */
const DECLARING_FILE = /(^|\/)(metrics|prometheus)[.]ts$/
const DECLARING_FUNCTION = /Metrics$/

interface MetricOptions {
  readonly name: string
  readonly help: string
  readonly labelNames?: readonly string[]
  readonly labels?: LabelSets
}

/** Notes what is declared on it. */
class RecordingMetrics extends Metrics {
  readonly rows: MetricRow[] = []

  constructor() {
    super({ defaults: false })
  }

  override counter(options: MetricOptions): never {
    this.note('counter', options)
    return super.counter(options) as never
  }

  override gauge<T extends string>(options: GaugeConfiguration<T>): Gauge<T> {
    this.note('gauge', options)
    return super.gauge(options)
  }

  override histogram<T extends string>(options: HistogramConfiguration<T>): Histogram<T> {
    this.note('histogram', options)
    return super.histogram(options)
  }

  private note(type: string, { name, help, labelNames = [], labels = {} }: MetricOptions): void {
    const all = [...labelNames.map((label) => [label, null] as const), ...Object.entries(labels)]
    this.rows.push({ name: METRIC_PREFIX + name, type, labels: all, help })
  }
}

/** The metrics that a program declares, by name. */
export async function declaredMetrics(program: 'edge' | 'ingest'): Promise<readonly MetricRow[]> {
  const directory = fileURLToPath(new URL(`../../../packages/${program}/src`, import.meta.url))
  const files = readdirSync(directory, { recursive: true, encoding: 'utf8' })
  const rows = new Map<string, MetricRow>()
  for (const file of files.filter((each) => DECLARING_FILE.test(each))) {
    const specifier = `@wazo-websocketd/${program}/${file.replace(/[.]ts$/, '')}`
    const exported = (await import(specifier)) as Readonly<Record<string, unknown>>
    for (const [name, declare] of Object.entries(exported)) {
      if (typeof declare !== 'function' || !DECLARING_FUNCTION.test(name)) continue
      const metrics = new RecordingMetrics()
      ;(declare as (metrics: Metrics) => unknown)(metrics)
      for (const row of metrics.rows) rows.set(row.name, row)
    }
  }
  return [...rows.values()].sort(byName)
}

/** The metrics that every process has without a declaration: those of prom-client, and the version. */
export async function processMetrics(): Promise<readonly MetricRow[]> {
  const snapshot = await new Metrics().snapshot()
  return snapshot.map(({ name, type, help }) => ({ name, type: String(type), labels: [], help })).sort(byName)
}

function byName({ name: a }: { readonly name: string }, { name: b }: { readonly name: string }): number {
  return a < b ? -1 : 1
}
