/** The metrics of a process, and how those of several processes become one. */
import {
  AggregatorRegistry,
  collectDefaultMetrics,
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
import { programVersion } from './version.js'

/** Every metric of a process with its values, as data that can be sent to another process. */
export type Snapshot = readonly MetricObjectWithValues<MetricValue<string>>[]

export interface Exposition {
  readonly contentType: string
  readonly body: string
}

export const METRIC_PREFIX = 'websocketd_'

/** Gauges of prom-client that are named like counters, which `promtool check metrics` objects to; each is the sum of another. */
const MISNAMED_DEFAULTS = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
]

/** The metrics of one process. Names are given without the prefix. */
export class Metrics {
  private readonly registry = new Registry()

  /**
   * With prom-client's own metrics of the process and `buildInfo`, whose label tells the version of its code,
   * unless `defaults` is false.
   */
  constructor({
    defaults = true,
    buildInfo = 'build_info',
  }: { readonly defaults?: boolean; readonly buildInfo?: string } = {}) {
    if (!defaults) return
    collectDefaultMetrics({ register: this.registry })
    for (const name of MISNAMED_DEFAULTS) this.registry.removeSingleMetric(name)
    this.gauge({
      name: buildInfo,
      help: 'Always 1; the label tells the version of the program.',
      labelNames: ['version'],
      aggregator: 'first',
    }).set({ version: programVersion() }, 1)
  }

  counter<T extends string>(options: CounterConfiguration<T>): Counter<T> {
    return new Counter({ ...options, name: METRIC_PREFIX + options.name, registers: [this.registry] })
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
