/** The sessions that end with the process of their worker, which therefore cannot count them itself. Pure. */
import type { Snapshot } from '@wazo-websocketd/shared/runtime/metrics'

const OPEN = 'websocketd_connections'
const CLOSED = 'websocketd_connections_closed_total'
/** What RFC 6455 calls a connection that ended without a close frame. */
const ABNORMAL = '1006'

/**
 * What a worker with this last snapshot has counted in the end: the connections that were open then, and the `moved` ones
 * that have come (or gone, below 0) since, are closed with 1006. A worker that ends by itself has none open in its last one.
 *
 * Of a hand-over, what is on its way while the snapshot is may count in the wrong worker: 16 connections at most.
 * What was opened or closed after the snapshot is in none of its counters, so that opened = closed + open holds. A snapshot
 * without these metrics, from code of another version, is returned as it is.
 */
export function withCutConnections(snapshot: Snapshot, moved: number): Snapshot {
  const open = snapshot.find(({ name }) => name === OPEN)
  const sum = open?.values.reduce((total, { value }) => total + value, moved) ?? 0
  if (sum <= 0) return snapshot
  return snapshot.map((metric) => (metric.name === CLOSED ? withMore(metric, sum) : metric))
}

function withMore(metric: Snapshot[number], cut: number): Snapshot[number] {
  const isAbnormal = ({ labels }: Snapshot[number]['values'][number]): boolean =>
    `${labels['code']}` === ABNORMAL
  const values = metric.values.some(isAbnormal)
    ? metric.values.map((each) => (isAbnormal(each) ? { ...each, value: each.value + cut } : each))
    : [...metric.values, { value: cut, labels: { code: ABNORMAL } }]
  return { ...metric, values }
}
