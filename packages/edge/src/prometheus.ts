/** All metrics of a worker, by the folder that declares and counts them. */
import type { Metrics } from '@wazo-websocketd/shared/runtime/metrics'
import { authMetrics } from './auth/metrics.js'
import { busMetrics } from './bus/metrics.js'
import { handoverMetrics } from './handover/metrics.js'
import { routeMetrics } from './route/metrics.js'
import { sessionMetrics } from './session/metrics.js'
import { socketMetrics } from './socket/metrics.js'

/** @param worker number of the worker's slot, as the label `worker` names it */
export function workerMetrics(metrics: Metrics, worker = '0') {
  const session = sessionMetrics(metrics, worker)
  return {
    auth: authMetrics(metrics),
    bus: busMetrics(metrics),
    connected: connectedMetric(metrics),
    handover: handoverMetrics(metrics),
    route: routeMetrics(metrics),
    session,
    socket: socketMetrics(metrics, session.rejected),
  }
}

export type WorkerMetrics = ReturnType<typeof workerMetrics>

/** Every worker has these connections to Redis: two of the bus, and two of token expiry. */
const ROLES = ['commands', 'subscriber', 'expiry', 'expiry-worker'] as const

/** Tells of connections to Redis; the bus tells of its own. */
function connectedMetric(metrics: Metrics): (role: string, up: boolean) => void {
  const connected = metrics.gauge({
    name: 'redis_connected',
    help: '1 while this connection to Redis is up; of all workers, the worst.',
    labelNames: ['role'],
    aggregator: 'min',
  })
  // From the start: a Redis that was never reached is to be seen too.
  for (const role of ROLES) connected.set({ role }, 0)
  return (role, up) => connected.set({ role }, up ? 1 : 0)
}
