import type { NotResumed, ProtocolVersion } from '@wazo-websocketd/shared/domain/protocol'
import type { Metrics } from '@wazo-websocketd/shared/runtime/metrics'
import { deliverMetrics } from '../deliver/metrics.js'
import { drainMetrics } from '../drain/metrics.js'
import type { ExpirySource } from './ports.js'

/** Close codes that a label may name; a client can make up others. */
const CLOSE_CODES: ReadonlySet<number> = new Set([
  ...[1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1011, 1012, 1013],
  ...[4001, 4002, 4003, 4004],
])

/**
 * Why a connection was turned away, as `handshakes_rejected_total{reason}` names it: the first seven by the socket
 * server, the others by the checks before wazo-auth is asked.
 */
export type RejectReason =
  | 'origin'
  | 'incomplete'
  | 'too-many-connections'
  | 'connect-rate'
  | 'timeout'
  | 'too-large'
  | 'malformed'
  | 'version'
  | 'no-token'
  | 'not-ready'
  | 'worker-full'
  | 'token-limit'
  | 'ip-limit'
  | 'token-format'

/** What became of the position that a client presented, as `resumptions_total{result}` names it. */
type ResumptionResult = 'resumed' | NotResumed

const RESUMPTION_RESULTS: readonly ResumptionResult[] = [
  ...(['resumed', 'none', 'too old', 'other epoch', 'unknown'] as const),
]

/** The outcome of one op, as `ops_total{result}` names it. */
export type OpResult = 'ok' | 'refused'

export type SessionMetrics = ReturnType<typeof sessionMetrics>

/** What sessions count, and what is counted of their frames and tickets. */
export function sessionMetrics(metrics: Metrics) {
  const rejected = metrics.counter({
    name: 'handshakes_rejected_total',
    help: 'Connections turned away before wazo-auth was asked.',
    labelNames: ['reason'],
  })
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
  const resumptions = metrics.counter({
    name: 'resumptions_total',
    help: 'Sessions with positions that started: resumed, or why they began anew.',
    labelNames: ['result'],
  })
  for (const result of RESUMPTION_RESULTS) resumptions.inc({ result }, 0)
  // From 0 on, so that the first one shows as an increase.
  for (const source of ['queue', 'bus', 'backstop'] as const) expired.inc({ source }, 0)
  return {
    ...connectionMetrics(metrics),
    ...deliverMetrics(metrics),
    ...drainMetrics(metrics),
    rejected: (reason: RejectReason): void => rejected.inc({ reason }),
    /** Live subscriptions changed by `change`. */
    subscriptions: (change: number): void => subscriptions.inc(change),
    /** `op` is one of the protocol's, or `unknown`. */
    op: (op: string, result: OpResult): void => ops.inc({ op, result }),
    /** A session with positions has started. */
    resumption: (result: ResumptionResult): void => resumptions.inc({ result }),
    expired: (source: ExpirySource): void => expired.inc({ source }),
  }
}

function connectionMetrics(metrics: Metrics) {
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
    opened(version: ProtocolVersion): void {
      opened.inc({ version })
      connections.inc({ version })
    },
    /** An accepted connection came from another worker of this host, or has gone to one. */
    moved(version: ProtocolVersion, where: 'here' | 'away'): void {
      connections.inc({ version }, where === 'here' ? 1 : -1)
    },
    closed(version: ProtocolVersion, code: number): void {
      connections.dec({ version })
      closed.inc({ code: CLOSE_CODES.has(code) ? code : 'other' })
    },
  }
}
