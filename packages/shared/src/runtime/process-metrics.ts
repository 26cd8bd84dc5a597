/** The gauges of each process for itself: prom-client's own cannot tell one worker from the sum of all. */
import { readdir } from 'node:fs/promises'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { collectDefaultMetrics, Gauge, type Registry } from 'prom-client'
import { HeldMaximum } from './held-maximum.js'

const PREFIX = 'websocketd_'
/** Each sample wakes the process up: at 10 ms, samples are most of what an idle process uses. */
const LOOP_SAMPLED_EVERY_MS = 100
/** Longer than scrapes are apart, so that every maximum is in at least one of them. */
const LOOP_LAG_HELD_MS = 60_000
/** prom-client's own monitor, whose readings have the time between two samples in them: it hardly ever wakes up. */
const UNUSED_MONITOR_MS = 3_600_000
const FDS_DIRECTORY = '/proc/self/fd'
/** Counting file descriptors takes as long as there are many. */
const FDS_COUNTED_EVERY_MS = 15_000
const NANOSECONDS = 1e9

/**
 * Metrics of prom-client that go through every connection of the process each time they are read, which a worker's are
 * every few seconds: with 10,000 sessions that takes long, all at once. Nothing in them is not in ours.
 */
const COSTLY = [
  ...['nodejs_active_handles', 'nodejs_active_handles_total'],
  ...['nodejs_active_requests', 'nodejs_active_requests_total'],
  ...['nodejs_active_resources', 'nodejs_active_resources_total'],
]
/** Their readings are 0.1 s too high, and each reading takes what it has read away from the next one. */
const MISLEADING = ['min', 'max', 'mean', 'stddev', 'p50', 'p90', 'p99'].map(
  (which) => `nodejs_eventloop_lag_${which}_seconds`,
)
const OPEN_FDS = 'process_open_fds'
const START_TIME = 'process_start_time_seconds'

/**
 * Adds prom-client's metrics of the process and our own to `registry`.
 * @param worker the value of the label `worker`; null: the process is no part of a cluster, and there is no such label
 */
export function processMetrics(registry: Registry, worker: string | null): void {
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: UNUSED_MONITOR_MS })
  for (const name of [...COSTLY, ...MISLEADING, START_TIME]) registry.removeSingleMetric(name)
  const labels = { labelNames: ['worker'], registers: [registry] }
  const own: Record<string, string> = worker === null ? {} : { worker }
  startTime(registry)
  loopLag(labels, own)
  memory(labels, own)
  if (registry.getSingleMetric(OPEN_FDS) !== undefined) declareOpenFiles(registry, labels, own)
}

interface Labels {
  readonly labelNames: string[]
  readonly registers: Registry[]
}
type Own = Record<string, string>

/** As prom-client's, but of all processes of a host the first one's, which is the primary's; prom-client leaves it out. */
function startTime(registry: Registry): void {
  const startedAt = Math.round(Date.now() / 1000 - process.uptime())
  const gauge = new Gauge({
    name: START_TIME,
    help: 'Start time of the process since unix epoch in seconds; of a host with workers, that of its primary.',
    registers: [registry],
    aggregator: 'first',
  })
  gauge.set(startedAt)
}

function loopLag(labels: Labels, own: Own): void {
  const monitor = monitorEventLoopDelay({ resolution: LOOP_SAMPLED_EVERY_MS })
  monitor.enable()
  const held = new HeldMaximum(LOOP_LAG_HELD_MS)
  new Gauge({
    ...labels,
    name: `${PREFIX}event_loop_lag_seconds`,
    help: 'The longest time that the event loop was late in the last 60 seconds.',
    aggregator: 'max',
    collect() {
      // Without a sample since the last reading, such as at the start, there is nothing to tell.
      const lag = monitor.count === 0 ? 0 : monitor.max / NANOSECONDS - LOOP_SAMPLED_EVERY_MS / 1000
      monitor.reset()
      this.set(own, held.add(Math.max(0, lag), performance.now()))
    },
  })
}

function memory(labels: Labels, own: Own): void {
  new Gauge({
    ...labels,
    name: `${PREFIX}resident_memory_bytes`,
    help: 'Resident memory of one process. While a worker is replaced, of the old and the new one.',
    collect() {
      const bytes = residentBytes()
      if (bytes !== null) this.set(own, bytes)
    },
  })
}

/** null: it cannot be read, such as without a free file descriptor; then the last value stands. */
function residentBytes(): number | null {
  try {
    return process.memoryUsage.rss()
  } catch {
    return null
  }
}

/** Counts open files for our metric and for prom-client's of the same meaning, which would count anew at each reading. */
function declareOpenFiles(registry: Registry, labels: Labels, own: Own): void {
  registry.removeSingleMetric(OPEN_FDS)
  let countedAt = -Infinity
  let counting: Promise<void> | null = null
  const total = new Gauge({
    name: OPEN_FDS,
    help: 'Number of open file descriptors, counted every 15 seconds.',
    registers: [registry],
    collect: count,
  })
  const each = new Gauge({
    ...labels,
    name: `${PREFIX}open_fds`,
    help: 'Open file descriptors of one process, counted every 15 seconds.',
    aggregator: 'max',
    collect: count,
  })
  /** Both are read at once: the second one waits for what the first one has begun. */
  function count(): Promise<void> | void {
    const now = performance.now()
    if (now - countedAt < FDS_COUNTED_EVERY_MS) return counting ?? undefined
    countedAt = now
    return (counting = countNow())
  }
  async function countNow(): Promise<void> {
    // Without the one of the directory itself. Where no descriptor is left, the last count stands.
    const open = await readdir(FDS_DIRECTORY).catch(() => null)
    if (open === null) return
    total.set(open.length - 1)
    each.set(own, open.length - 1)
  }
  limit(registry, labels, own)
}

/** prom-client's adds the limits of all processes up. */
function limit(registry: Registry, labels: Labels, own: Own): void {
  const shared = registry.getSingleMetric('process_max_fds')
  if (shared === undefined) return
  new Gauge({
    ...labels,
    name: `${PREFIX}max_fds`,
    help: 'File descriptors that one process may have open.',
    aggregator: 'min',
    async collect() {
      const { values } = await shared.get()
      const [first] = values
      if (first !== undefined) this.set(own, first.value)
    },
  })
}
