/** What an ingest tells operators of itself. */
import { adminAnswer, type AdminRoutes } from '@wazo-websocketd/shared/runtime/admin-routes'
import { METRIC_PREFIX, type Snapshot } from '@wazo-websocketd/shared/runtime/metrics'
import type { Status } from './status.js'

export interface ReportOptions {
  readonly ingest: string
  readonly version: string
  /** `uuid`: events of which Wazo come in; null: of every one. */
  readonly uuid: string | null
  readonly status: Status
  readonly redisConnected: () => boolean
  /** The host of RabbitMQ that took a connection last. */
  readonly brokerHost: () => string
  readonly snapshot: () => Promise<Snapshot>
  /** Milliseconds of Unix time. */
  readonly startedAt: number
}

/** The endpoint of an ingest: it takes no orders. */
export function ingestRoutes(options: ReportOptions): AdminRoutes {
  return new Map([
    [
      '/admin/status',
      { changes: false, answer: async () => adminAnswer(report(options, await options.snapshot())) },
    ],
  ])
}

function report(options: ReportOptions, snapshot: Snapshot): object {
  const { ingest, version, uuid, status, redisConnected, brokerHost, startedAt } = options
  const { state, epoch, heads, epochs, failures } = status
  return {
    program: 'wazo-websocketd-ingest',
    version,
    pid: process.pid,
    since: new Date(startedAt).toISOString(),
    ingest,
    uuid,
    state,
    missing: status.notReadyReasons(redisConnected()),
    publishing: valueOf(snapshot, 'ingest_publishing') === 1,
    brokerHost: brokerHost(),
    epoch,
    heads,
    lagSeconds: valueOf(snapshot, 'bus_lag_seconds'),
    messages: byLabel(snapshot, 'bus_messages_total', 'result'),
    epochs,
    failures,
  }
}

/** The value of a metric without labels; null: it has none. */
function valueOf(snapshot: Snapshot, name: string): number | null {
  return snapshot.find((metric) => metric.name === METRIC_PREFIX + name)?.values[0]?.value ?? null
}

function byLabel(snapshot: Snapshot, name: string, label: string): Readonly<Record<string, number>> {
  const values = snapshot.find((metric) => metric.name === METRIC_PREFIX + name)?.values ?? []
  return Object.fromEntries(values.map(({ labels, value }) => [String(labels[label]), value]))
}
