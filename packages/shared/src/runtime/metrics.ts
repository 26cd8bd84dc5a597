/** The metrics of a process, and how those of several processes become one. */
import { readdir } from 'node:fs/promises'
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

/**
 * Metrics of prom-client that go through every connection of the process each time they are read, which a worker's are
 * every few seconds: with 10,000 sessions that takes long, all at once. Nothing in them is not in ours.
 */
const COSTLY_DEFAULTS = [
  ...['nodejs_active_handles', 'nodejs_active_handles_total'],
  ...['nodejs_active_requests', 'nodejs_active_requests_total'],
  ...['nodejs_active_resources', 'nodejs_active_resources_total'],
]
/** Each sample wakes the process up; prom-client's own 10 ms are most of what an idle process uses. */
const LOOP_SAMPLED_EVERY_MS = 100
const OPEN_FDS = 'process_open_fds'
const FDS_DIRECTORY = '/proc/self/fd'
/** Counting file descriptors takes as long as there are many. */
const FDS_COUNTED_EVERY_MS = 15_000

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
    collectDefaultMetrics({ register: this.registry, eventLoopMonitoringPrecision: LOOP_SAMPLED_EVERY_MS })
    for (const name of COSTLY_DEFAULTS) this.registry.removeSingleMetric(name)
    if (this.registry.getSingleMetric(OPEN_FDS) !== undefined) this.countOpenFilesRarely()
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

  /** As prom-client's metric of this name, but not counted anew at each reading. */
  private countOpenFilesRarely(): void {
    this.registry.removeSingleMetric(OPEN_FDS)
    let countedAt = -Infinity
    new Gauge({
      name: OPEN_FDS,
      help: 'Number of open file descriptors, counted every 15 seconds.',
      registers: [this.registry],
      async collect() {
        const now = performance.now()
        if (now - countedAt < FDS_COUNTED_EVERY_MS) return
        countedAt = now
        // Without the one of the directory itself. Where no descriptor is left, the last count stands.
        const open = await readdir(FDS_DIRECTORY).catch(() => null)
        if (open !== null) this.set(open.length - 1)
      },
    })
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
