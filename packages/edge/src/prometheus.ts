/** The edge's metrics as Prometheus reads them: one place for all names, one object per folder that counts. */
import type { Metrics } from '@wazo-websocketd/shared/runtime/metrics'
import { authMetrics, type AuthMetrics } from './auth/metrics.js'
import { busMetrics, type BusMetrics } from './bus/metrics.js'
import type { RouteMetrics } from './route/metrics.js'
import type { SessionMetrics } from './session/ports.js'
import type { SocketMetrics } from './socket/ports.js'

const LATENCY_BUCKETS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5]
const FANOUT_BUCKETS = [0.00001, 0.00005, 0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1]

/** Close codes that a label may name; a client can make up others. */
const CLOSE_CODES: ReadonlySet<number> = new Set([
  ...[1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1011, 1012, 1013],
  ...[4001, 4002, 4003, 4004],
])

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
  /** Seconds that one batch took from Redis to the sockets' buffers. */
  readonly fannedOut: (seconds: number) => void
  /** Connections to Redis other than those of the bus. */
  readonly connected: (role: string, up: boolean) => void
  /** A connection was passed to this worker's successor (`moved`), or why not. */
  readonly handedOver: (how: string) => void
  readonly session: SessionMetrics
  readonly socket: SocketMetrics
  readonly auth: AuthMetrics
}

export function workerMetrics(metrics: Metrics): WorkerMetrics {
  const rejected = metrics.counter({
    name: 'handshakes_rejected_total',
    help: 'Connections turned away before wazo-auth was asked.',
    labelNames: ['reason'],
  })
  const fanout = metrics.histogram({
    name: 'fanout_duration_seconds',
    help: 'Time to route the events of one batch to their receivers.',
    buckets: FANOUT_BUCKETS,
  })
  const handovers = metrics.counter({
    name: 'handover_total',
    help: 'Connections that a replaced worker passed to its successor (moved), or why it could not.',
    labelNames: ['result'],
  })
  handovers.inc({ result: 'moved' }, 0)
  const connected = connectedMetric(metrics)
  return {
    bus: busMetrics(metrics),
    connected,
    handedOver: (result) => handovers.inc({ result }),
    route: routeMetrics(metrics),
    fannedOut: (seconds) => fanout.observe(seconds),
    session: { ...sessionMetrics(metrics), rejected: (reason) => rejected.inc({ reason }) },
    socket: { ...socketMetrics(metrics), handshakeRefused: (reason) => rejected.inc({ reason }) },
    auth: authMetrics(metrics),
  }
}

function routeMetrics(metrics: Metrics): RouteMetrics {
  const received = metrics.counter({
    name: 'events_received_total',
    help: 'Events that came over the bus and were routed, once per worker.',
  })
  const filtered = metrics.counter({
    name: 'events_filtered_total',
    help: 'Started sessions that did not get an event, by the first rule that they fail.',
    labelNames: ['reason'],
  })
  const evaluations = metrics.counter({
    name: 'acl_evaluations_total',
    help: 'Decisions about an ACL that could not be shared or remembered.',
  })
  return {
    received: () => received.inc(),
    filtered: (reason, sessions) => filtered.inc({ reason }, sessions),
    aclEvaluated: (decisions) => evaluations.inc(decisions),
  }
}

function sessionMetrics(metrics: Metrics): Omit<SessionMetrics, 'rejected'> {
  const subscriptions = metrics.gauge({
    name: 'subscriptions',
    help: 'Event names subscribed to, over all sessions.',
  })
  const ops = metrics.counter({
    name: 'ops_total',
    help: 'Operations of clients.',
    labelNames: ['op', 'result'],
  })
  const expired = metrics.counter({
    name: 'sessions_expired_total',
    help: 'Sessions closed with 4003, by what noticed the end of the token.',
    labelNames: ['source'],
  })
  const tickets = metrics.counter({
    name: 'resume_tickets_total',
    help: 'Places in the sequence of events that drained sessions left for the next, or that were resumed.',
    labelNames: ['result'],
  })
  // From 0 on, so that the first one shows as an increase.
  for (const result of ['left', 'not-left', 'resumed', 'outdated'] as const) tickets.inc({ result }, 0)
  for (const source of ['queue', 'bus', 'backstop'] as const) expired.inc({ source }, 0)
  return {
    ...connectionMetrics(metrics),
    ...deliveryMetrics(metrics),
    subscriptions: (delta) => subscriptions.inc(delta),
    op: (op, result) => ops.inc({ op, result }),
    expired: (source) => expired.inc({ source }),
    tickets: (result, count) => tickets.inc({ result }, count),
  }
}

function connectionMetrics(metrics: Metrics): Pick<SessionMetrics, 'opened' | 'closed' | 'moved'> {
  const connections = metrics.gauge({
    name: 'connections',
    help: 'Open WebSocket connections that were accepted.',
    labelNames: ['version'],
  })
  const opened = metrics.counter({
    name: 'connections_opened_total',
    help: 'WebSocket connections accepted for authentication.',
    labelNames: ['version'],
  })
  const closed = metrics.counter({
    name: 'connections_closed_total',
    help: 'Accepted WebSocket connections that ended, by close code.',
    labelNames: ['code'],
  })
  return {
    opened(version) {
      opened.inc({ version })
      connections.inc({ version })
    },
    moved(version, where) {
      connections.inc({ version }, where === 'here' ? 1 : -1)
    },
    closed(version, code) {
      connections.dec({ version })
      closed.inc({ code: CLOSE_CODES.has(code) ? code : 'other' })
    },
  }
}

function deliveryMetrics(metrics: Metrics): Pick<SessionMetrics, 'delivered'> {
  const delivered = metrics.counter({
    name: 'events_delivered_total',
    help: 'Events written to sockets, once per receiver.',
  })
  const latency = metrics.histogram({
    name: 'delivery_latency_seconds',
    help: 'From the reception by the ingest to the write to the sockets, once per event that had receivers.',
    buckets: LATENCY_BUCKETS,
  })
  return {
    delivered(receivers, latencyMs) {
      delivered.inc(receivers)
      latency.observe(latencyMs / 1000)
    },
  }
}

function socketMetrics(metrics: Metrics): Omit<SocketMetrics, 'handshakeRefused'> {
  const buffered = metrics.gauge({
    name: 'send_buffer_bytes',
    help: 'Memory of what waits in the send buffers of clients: the same bytes count once.',
  })
  const slow = metrics.counter({
    name: 'slow_consumers_closed_total',
    help: 'Clients closed because they did not read what they were sent.',
  })
  return { sendBuffer: (bytes) => buffered.set(bytes), slowConsumer: () => slow.inc() }
}
