export { logMetrics } from '@wazo-websocketd/shared/runtime/log-metrics'
import type { Metrics } from '@wazo-websocketd/shared/runtime/metrics'
import { DROP_REASONS } from './normalise/normalise.js'
import type { PublishAnswer } from './publish/sequencer.js'

const BATCH_BUCKETS = [0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]
const SECONDS_BUCKETS = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5]

/** Outcome of a message; `deduplicated`: another ingest had published it. */
const MESSAGE_RESULTS = ['published', 'deduplicated', ...DROP_REASONS] as const
export type MessageResult = (typeof MESSAGE_RESULTS)[number]

/** What a call of the publish script may answer; the compiler holds it against `PublishAnswer`. */
const ANSWERS: readonly PublishAnswer['kind'][] = [
  ...(['OK', 'DUP', 'PART', 'ROLLED', 'EMPTY', 'CORRUPT', 'EPOCH'] as const),
  ...(['lost', 'failed'] as const),
]

export type IngestMetrics = ReturnType<typeof ingestMetrics>

/** Declares what an ingest counts. */
export function ingestMetrics(metrics: Metrics) {
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
    labels: { result: MESSAGE_RESULTS },
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
    help: 'Calls of the publish script by its answer; ROLLED and EMPTY: Redis has lost data, CORRUPT: another program has written to our keys, lost: no answer.',
    labels: { answer: ANSWERS },
  })
  const failures = metrics.counter({
    name: 'publish_failures_total',
    help: 'Batches that Redis refused with an error.',
  })
  const lag = metrics.gauge({
    name: 'bus_lag_seconds',
    help: 'Time that the last canary took through RabbitMQ and into Redis.',
  })
  return {
    amqpConnected: (is: boolean): void => connected.set(is ? 1 : 0),
    amqpReconnected: (): void => reconnects.inc(),
    redisConnected: (is: boolean): void => redis.set({ role: 'publisher' }, is ? 1 : 0),
    /** Whether batches go out from this ingest. */
    publishing: (is: boolean): void => publishing.set(is ? 1 : 0),
    messages: (result: MessageResult, count: number): void => messages.inc({ result }, count),
    /** One batch that went out: its events, and the seconds that the script took. */
    published(events: number, seconds: number): void {
      batches.observe(events)
      duration.observe(seconds)
    },
    /** The outcome of one call of the script. */
    answered: (answer: PublishAnswer['kind']): void => answers.inc({ answer }),
    /** Redis refused a batch for a reason of its own. */
    publishFailed: (): void => failures.inc(),
    /** Seconds from the sending of a canary until head had passed it. */
    lag: (seconds: number): void => lag.set(seconds),
  }
}
