/** The edge's metrics as Prometheus reads them: one place for all names, one object per folder that counts. */
import type { Metrics } from '@wazo-websocketd/shared/runtime/metrics'
import type { AuthMetrics, JobResult } from './auth/metrics.js'
import type { BusMetrics } from './bus/metrics.js'
import type { PoolMetrics } from './process/pool.js'
import type { UpgradeMetrics } from './process/upgrades.js'
import { handoverMetrics, type HandoverMetrics } from './handover/metrics.js'
import { routeMetrics, type RouteMetrics } from './route/metrics.js'
import { sessionMetrics, type SessionMetrics } from './session/metrics.js'
import { socketMetrics, type SocketMetrics } from './socket/metrics.js'

const REQUEST_BUCKETS = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10]

/** What the primary counts itself. */
export interface PrimaryMetrics extends PoolMetrics, UpgradeMetrics {
  draining(is: boolean): void
}

export function primaryMetrics(metrics: Metrics): PrimaryMetrics {
  const workers = metrics.gauge({ name: 'workers', help: 'Workers that run.' })
  const ready = metrics.gauge({ name: 'workers_ready', help: 'Workers that serve clients.' })
  const restarts = metrics.counter({
    name: 'worker_restarts_total',
    help: 'Workers that ended unexpectedly and were started again, by how they ended.',
    labelNames: ['reason'],
  })
  const draining = metrics.gauge({ name: 'draining', help: '1 while sessions are being moved away.' })
  return {
    workers: (running) => workers.set(running),
    ready: (serving) => ready.set(serving),
    restarted: (reason) => restarts.inc({ reason }),
    draining: (is) => draining.set(is ? 1 : 0),
    ...upgradeMetrics(metrics),
  }
}

function upgradeMetrics(metrics: Metrics): UpgradeMetrics {
  const underWay = metrics.gauge({
    name: 'upgrade_in_progress',
    help: '1 while workers are being replaced (SIGHUP).',
  })
  const upgrades = metrics.counter({
    name: 'upgrades_total',
    help: 'Replacements of all workers (SIGHUP), by how they ended.',
    labelNames: ['result'],
  })
  const failed = metrics.gauge({
    name: 'upgrade_failed',
    help: '1 when the last replacement of the workers failed: some or all of them are what they were.',
  })
  underWay.set(0)
  failed.set(0)
  // From 0 on, so that the first one shows as an increase.
  for (const result of ['success', 'failure'] as const) upgrades.inc({ result }, 0)
  return {
    upgrading: (is) => underWay.set(is ? 1 : 0),
    upgraded(result) {
      upgrades.inc({ result })
      failed.set(result === 'failure' ? 1 : 0)
    },
  }
}

/** Jobs of the expiry queue. */
function jobMetric(metrics: Metrics): (result: JobResult, jobs: number) => void {
  const total = metrics.counter({
    name: 'expiry_jobs_total',
    help: 'Jobs of the queue of token expiry, by what became of them.',
    labelNames: ['result'],
  })
  return (result, jobs) => total.inc({ result }, jobs)
}

function connectedMetric(metrics: Metrics): (role: string, up: boolean) => void {
  const connected = metrics.gauge({
    name: 'redis_connected',
    help: '1 while this connection to Redis is up; of all workers, the worst.',
    labelNames: ['role'],
    aggregator: 'min',
  })
  return (role, up) => connected.set({ role }, up ? 1 : 0)
}

/** What a worker counts, by the folder that counts it. */
export interface WorkerMetrics {
  readonly bus: BusMetrics
  readonly route: RouteMetrics
  /** Connections to Redis other than those of the bus. */
  readonly connected: (role: string, up: boolean) => void
  readonly handover: HandoverMetrics
  readonly session: SessionMetrics
  readonly socket: SocketMetrics
  readonly auth: AuthMetrics
}

export function workerMetrics(metrics: Metrics): WorkerMetrics {
  const session = sessionMetrics(metrics)
  const connected = connectedMetric(metrics)
  return {
    bus: busMetrics(metrics),
    connected,
    handover: handoverMetrics(metrics),
    route: routeMetrics(metrics),
    session,
    socket: socketMetrics(metrics, session.rejected),
    auth: authMetrics(metrics),
  }
}

function busMetrics(metrics: Metrics): BusMetrics {
  const recoveries = metrics.counter({
    name: 'recovery_total',
    help: 'Times that continuity was in doubt, by how it ended.',
    labelNames: ['result'],
  })
  const unreadable = metrics.counter({
    name: 'bus_unreadable_total',
    help: 'Messages on the bus of a version that this program does not read, or malformed.',
  })
  // From 0 on, so that the first one shows as an increase.
  for (const result of ['recovered', 'lost'] as const) recoveries.inc({ result }, 0)
  return {
    recovery: (result) => recoveries.inc({ result }),
    unreadable: () => unreadable.inc(),
  }
}

function authMetrics(metrics: Metrics): AuthMetrics {
  const requests = metrics.counter({
    name: 'auth_requests_total',
    help: 'Requests to wazo-auth, by how they ended.',
    labelNames: ['result'],
  })
  const duration = metrics.histogram({
    name: 'auth_request_duration_seconds',
    help: 'Time that a request to wazo-auth took.',
    buckets: REQUEST_BUCKETS,
  })
  const coalesced = metrics.counter({
    name: 'auth_requests_coalesced_total',
    help: 'Questions about tokens that needed no request of their own.',
  })
  const tracked = metrics.gauge({ name: 'tokens_tracked', help: 'Tokens of open sessions.' })
  return {
    requested(result, seconds) {
      requests.inc({ result })
      duration.observe(seconds)
    },
    coalesced: () => coalesced.inc(),
    tracked: (tokens) => tracked.set(tokens),
    jobs: jobMetric(metrics),
  }
}
