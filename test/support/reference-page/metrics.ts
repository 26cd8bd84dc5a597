/** Every metric of the programs, as their own code declares it. */
import { primaryMetrics, workerMetrics } from '@wazo-websocketd/edge/prometheus'
import { prometheusMetrics } from '@wazo-websocketd/ingest/prometheus'
import { METRIC_PREFIX, Metrics } from '@wazo-websocketd/shared/runtime/metrics'
import type {
  Counter,
  CounterConfiguration,
  Gauge,
  GaugeConfiguration,
  Histogram,
  HistogramConfiguration,
} from 'prom-client'

export interface MetricRow {
  /** With the prefix. */
  readonly name: string
  readonly type: string
  readonly labels: readonly string[]
  readonly help: string
  /** The process that counts it. */
  readonly process: string
}

type Declaration = (metrics: Metrics) => unknown

/** The processes of a program, with the functions that declare what each counts. */
type Processes = ReadonlyMap<string, readonly Declaration[]>

/** A declaration that is missing here fails test/unit/documents.test.ts. */
export const EDGE: Processes = new Map<string, readonly Declaration[]>([
  ['worker', [workerMetrics]],
  ['primary', [primaryMetrics]],
])
export const INGEST: Processes = new Map<string, readonly Declaration[]>([['ingest', [prometheusMetrics]]])

type MetricOptions = Pick<CounterConfiguration<string>, 'name' | 'help' | 'labelNames'>

/** Notes what is declared on it. */
class RecordingMetrics extends Metrics {
  readonly rows: Omit<MetricRow, 'process'>[] = []

  constructor() {
    super({ defaults: false })
  }

  override counter<T extends string>(options: CounterConfiguration<T>): Counter<T> {
    this.note('counter', options)
    return super.counter(options)
  }

  override gauge<T extends string>(options: GaugeConfiguration<T>): Gauge<T> {
    this.note('gauge', options)
    return super.gauge(options)
  }

  override histogram<T extends string>(options: HistogramConfiguration<T>): Histogram<T> {
    this.note('histogram', options)
    return super.histogram(options)
  }

  private note(type: string, { name, help, labelNames = [] }: MetricOptions): void {
    this.rows.push({ name: METRIC_PREFIX + name, type, labels: labelNames, help })
  }
}

/** The metrics that the functions of a program declare, those of each process by name. */
export function declaredMetrics(processes: Processes): readonly MetricRow[] {
  return [...processes].flatMap(([process, declarations]) => {
    const metrics = new RecordingMetrics()
    for (const declare of declarations) declare(metrics)
    return metrics.rows.map((row) => ({ ...row, process })).sort(byName)
  })
}

/** The metrics that every process has without a declaration: those of prom-client, and the version. */
export async function processMetrics(): Promise<readonly Omit<MetricRow, 'process'>[]> {
  const snapshot = await new Metrics().snapshot()
  return snapshot.map(({ name, type, help }) => ({ name, type: String(type), labels: [], help })).sort(byName)
}

function byName({ name: a }: { readonly name: string }, { name: b }: { readonly name: string }): number {
  return a < b ? -1 : 1
}
