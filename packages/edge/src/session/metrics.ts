import { CLIENT_OPS, type ProtocolVersion } from '@wazo-websocketd/shared/domain/protocol'
import type { Metrics } from '@wazo-websocketd/shared/runtime/metrics'
import { deliverMetrics } from '../deliver/metrics.js'
import { drainMetrics } from '../drain/metrics.js'

/** Close codes that a label names: those of `shared/domain/close`, and those of RFC 6455. */
const CLOSE_CODES = [
  ...(['1000', '1001', '1002', '1003', '1005', '1006', '1007', '1008', '1009'] as const),
  ...(['1011', '1012', '1013', '4001', '4002', '4003', '4004'] as const),
  /** A client can make up any. */
  'other',
] as const
type CloseCode = (typeof CLOSE_CODES)[number]
const CODE_LABELS: ReadonlyMap<number, CloseCode> = new Map(CLOSE_CODES.map((code) => [Number(code), code]))

/**
 * Why a connection was turned away, as `handshakes_rejected_total{reason}` names it: the first seven by the socket
 * server, the others by the checks before wazo-auth is asked.
 */
const REJECT_REASONS = [
  ...(['origin', 'incomplete', 'too-many-connections', 'connect-rate'] as const),
  ...(['timeout', 'too-large', 'malformed'] as const),
  ...(['version', 'no-token', 'not-ready', 'worker-full'] as const),
  ...(['token-limit', 'ip-limit', 'token-format'] as const),
] as const
export type RejectReason = (typeof REJECT_REASONS)[number]

/** What noticed the end of a session's token, as `sessions_expired_total{source}` names it. */
const EXPIRY_SOURCES = ['queue', 'bus', 'backstop'] as const
export type ExpirySource = (typeof EXPIRY_SOURCES)[number]

/** What became of the position that a client presented, as `resumptions_total{result}` names it. */
const RESUMPTION_RESULTS = ['resumed', 'none', 'too old', 'other epoch', 'unknown'] as const
type ResumptionResult = (typeof RESUMPTION_RESULTS)[number]

/** The outcome of one op, as `ops_total{result}` names it. */
const OP_RESULTS = ['ok', 'refused'] as const
export type OpResult = (typeof OP_RESULTS)[number]

/** One of the protocol's ops, or `unknown`, as `ops_total{op}` names it. */
const OPS = [...CLIENT_OPS, 'unknown'] as const
export type CountedOp = (typeof OPS)[number]

const VERSIONS = ['1', '2'] as const

export type SessionMetrics = ReturnType<typeof sessionMetrics>

/**
 * What sessions count, and what is counted of their frames and tickets.
 * @param worker number of the worker's slot, as the label `worker` names it
 */
export function sessionMetrics(metrics: Metrics, worker = '0') {
  const rejected = metrics.counter({
    name: 'handshakes_rejected_total',
    help: 'Connections turned away before wazo-auth was asked.',
    labels: { reason: REJECT_REASONS },
  })
  const subscriptions = metrics.gauge({
    name: 'subscriptions',
    help: 'Event names subscribed to, over all sessions.',
  })
  const ops = metrics.counter({
    name: 'ops_total',
    help: 'Operations of clients.',
    labels: { op: OPS, result: OP_RESULTS },
  })
  const expired = metrics.counter({
    name: 'sessions_expired_total',
    help: 'Sessions closed with 4003, by what noticed the end of the token.',
    labels: { source: EXPIRY_SOURCES },
  })
  const resumptions = metrics.counter({
    name: 'resumptions_total',
    help: 'Sessions with positions that started: resumed, or why they began anew.',
    labels: { result: RESUMPTION_RESULTS },
  })
  return {
    ...connectionMetrics(metrics, worker),
    ...deliverMetrics(metrics),
    ...drainMetrics(metrics),
    rejected: (reason: RejectReason): void => rejected.inc({ reason }),
    /** Live subscriptions changed by `change`. */
    subscriptions: (change: number): void => subscriptions.inc(change),
    op: (op: CountedOp, result: OpResult): void => ops.inc({ op, result }),
    /** A session with positions has started. */
    resumption: (result: ResumptionResult): void => resumptions.inc({ result }),
    expired: (source: ExpirySource): void => expired.inc({ source }),
  }
}

function connectionMetrics(metrics: Metrics, worker: string) {
  const connections = metrics.gauge({
    name: 'connections',
    help: 'Open WebSocket connections that were accepted.',
    labelNames: ['version'],
  })
  for (const version of VERSIONS) connections.set({ version }, 0)
  const here = metrics.gauge({
    name: 'worker_connections',
    help: 'Open WebSocket connections of one worker. While it is replaced, of the old and the new one.',
    labelNames: ['worker'],
  })
  here.set({ worker }, 0)
  const count = (version: ProtocolVersion, change: 1 | -1): void => {
    connections.inc({ version }, change)
    here.inc({ worker }, change)
  }
  const opened = metrics.counter({
    name: 'connections_opened_total',
    help: 'WebSocket connections accepted for authentication.',
    labels: { version: VERSIONS },
  })
  const closed = metrics.counter({
    name: 'connections_closed_total',
    help: 'Accepted WebSocket connections that ended, by close code.',
    labels: { code: CLOSE_CODES },
  })
  return {
    opened(version: ProtocolVersion): void {
      opened.inc({ version: `${version}` })
      count(version, 1)
    },
    /** An accepted connection came from another worker of this host, or has gone to one. */
    moved(version: ProtocolVersion, where: 'here' | 'away'): void {
      count(version, where === 'here' ? 1 : -1)
    },
    closed(version: ProtocolVersion, code: number): void {
      count(version, -1)
      closed.inc({ code: CODE_LABELS.get(code) ?? 'other' })
    },
  }
}
