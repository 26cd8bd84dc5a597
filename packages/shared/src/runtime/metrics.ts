/** The metrics of a process, and how those of several processes become one. */
import {
  AggregatorRegistry,
  Counter,
  Gauge,
  Histogram,
  Registry,
  type CounterConfiguration,
  type GaugeConfiguration,
  type HistogramConfiguration,
  type MetricObjectWithValues,
  type MetricValue,
} from 'prom-client'
import { processMetrics } from './process-metrics.js'
import { programVersion } from './version.js'

/** Every metric of a process with its values, as data that can be sent to another process. */
export type Snapshot = readonly MetricObjectWithValues<MetricValue<string>>[]

export interface Exposition {
  readonly contentType: string
  readonly body: string
}

export const METRIC_PREFIX = 'websocketd_'

/** The values that each label of a counter can have: all of them, and no others. */
export type LabelSets = Readonly<Record<string, readonly string[]>>

type CounterOptions = Pick<CounterConfiguration<never>, 'name' | 'help' | 'collect'>

/** A counter whose labels have known values. */
export interface LabelledCounter<L extends LabelSets> {
  inc(labels: { readonly [K in keyof L]: L[K][number] }, count?: number): void
}

/** Holds the metrics of one process. Names are given without the prefix. */
export class Metrics {
  private readonly registry = new Registry()

  /**
   * With the metrics of the process and `buildInfo`, whose label tells the version of its code, unless `defaults` is
   * false. `worker` is the label of what the process says of itself, in a program of several processes.
   */
  constructor({
    defaults = true,
    buildInfo = 'build_info',
    worker = null,
  }: { readonly defaults?: boolean; readonly buildInfo?: string; readonly worker?: string | null } = {}) {
    if (!defaults) return
    processMetrics(this.registry, worker)
    this.gauge({
      name: buildInfo,
      help: 'Always 1; the label tells the version of the program.',
      labelNames: ['version'],
      aggregator: 'first',
    }).set({ version: programVersion() }, 1)
  }

  /**
   * A counter. One with labels has all combinations of their values at 0 from the start, so that the first of a kind shows
   * as an increase: a series that begins with the value it has does not.
   */
  counter(options: CounterOptions): Counter<never>
  counter<const L extends LabelSets>(options: CounterOptions & { readonly labels: L }): LabelledCounter<L>
  counter({ labels = {}, ...options }: CounterOptions & { readonly labels?: LabelSets }) {
    const counter = new Counter<string>({
      ...options,
      name: METRIC_PREFIX + options.name,
      labelNames: Object.keys(labels),
      registers: [this.registry],
    })
    for (const combination of combinationsOf(labels)) counter.inc(combination, 0)
    return counter
  }

  gauge<T extends string>(options: GaugeConfiguration<T>): Gauge<T> {
    return new Gauge({ ...options, name: METRIC_PREFIX + options.name, registers: [this.registry] })
  }

  histogram<T extends string>(options: HistogramConfiguration<T>): Histogram<T> {
    return new Histogram({ ...options, name: METRIC_PREFIX + options.name, registers: [this.registry] })
  }

  snapshot(): Promise<Snapshot> {
    return this.registry.getMetricsAsJSON()
  }

  async exposition(): Promise<Exposition> {
    return { contentType: this.registry.contentType, body: await this.registry.metrics() }
  }
}

/** One text for Prometheus out of the snapshots of several processes. */
export async function aggregateExposition(snapshots: readonly Snapshot[]): Promise<Exposition> {
  const registry = AggregatorRegistry.aggregate(snapshots.map((snapshot) => [...snapshot]))
  return { contentType: registry.contentType, body: await registry.metrics() }
}

/** One snapshot out of several. */
export function aggregateSnapshots(snapshots: readonly Snapshot[]): Promise<Snapshot> {
  return AggregatorRegistry.aggregate(snapshots.map((snapshot) => [...snapshot])).getMetricsAsJSON()
}

function combinationsOf(labels: LabelSets): readonly Record<string, string>[] {
  return Object.entries(labels).reduce<readonly Record<string, string>[]>(
    (all, [name, values]) => all.flatMap((one) => values.map((value) => ({ ...one, [name]: value }))),
    [{}],
  )
}
