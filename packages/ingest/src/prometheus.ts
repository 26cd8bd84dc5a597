import type { Metrics } from '@wazo-websocketd/shared/runtime/metrics'
import type { IngestMetrics } from './metrics.js'

const BATCH_BUCKETS = [0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]
const SECONDS_BUCKETS = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5]

/** The ingest's metrics as Prometheus reads them. */
export function prometheusMetrics(metrics: Metrics): IngestMetrics {
  const connected = metrics.gauge({ name: 'amqp_connected', help: '1 while connected to RabbitMQ.' })
  const reconnects = metrics.counter({
    name: 'amqp_reconnects_total',
    help: 'Connections to RabbitMQ after the first one.',
  })
  const redis = metrics.gauge({
    name: 'redis_connected',
    help: '1 while this connection to Redis is up.',
    labelNames: ['role'],
  })
  const publishing = metrics.gauge({
    name: 'ingest_publishing',
    help: '1 for the ingest whose batches go out.',
  })
  const messages = metrics.counter({
    name: 'bus_messages_total',
    help: 'Messages of the bus by what became of them: published, deduplicated, or the reason for dropping.',
    labelNames: ['result'],
  })
  const batches = metrics.histogram({
    name: 'publish_batch_size',
    help: 'Events in one published batch.',
    buckets: BATCH_BUCKETS,
  })
  const duration = metrics.histogram({
    name: 'publish_duration_seconds',
    help: 'Time that the publishing of one batch took.',
    buckets: SECONDS_BUCKETS,
  })
  const answers = metrics.counter({
    name: 'publish_answers_total',
    help: 'Calls of the publish script by its answer; ROLLED and EMPTY: Redis has lost data, lost: no answer.',
    labelNames: ['answer'],
  })
  // From 0 on, so that the first one shows as an increase.
  for (const answer of ['OK', 'DUP', 'PART', 'ROLLED', 'EMPTY', 'EPOCH', 'lost', 'failed'] as const)
    answers.inc({ answer }, 0)
  const failures = metrics.counter({
    name: 'publish_failures_total',
    help: 'Batches that Redis refused with an error.',
  })
  const lag = metrics.gauge({
    name: 'bus_lag_seconds',
    help: 'Time that the last canary took through RabbitMQ and into Redis.',
  })
  return {
    amqpConnected: (is) => connected.set(is ? 1 : 0),
    amqpReconnected: () => reconnects.inc(),
    redisConnected: (is) => redis.set({ role: 'publisher' }, is ? 1 : 0),
    publishing: (is) => publishing.set(is ? 1 : 0),
    messages: (result, count) => messages.inc({ result }, count),
    published(events, seconds) {
      batches.observe(events)
      duration.observe(seconds)
    },
    answered: (answer) => answers.inc({ answer }),
    publishFailed: () => failures.inc(),
    lag: (seconds) => lag.set(seconds),
  }
}
