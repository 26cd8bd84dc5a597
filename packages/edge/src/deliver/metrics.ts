import type { Metrics } from '@wazo-websocketd/shared/runtime/metrics'

const LATENCY_BUCKETS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5]

export type DeliverMetrics = ReturnType<typeof deliverMetrics>

export function deliverMetrics(metrics: Metrics) {
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
    /** One event went to `receivers` sockets, `latencyMs` after the ingest received it. Once per event and flush. */
    delivered(receivers: number, latencyMs: number): void {
      delivered.inc(receivers)
      latency.observe(latencyMs / 1000)
    },
  }
}
