/** Puts an ingest together from plain options; the defaults are those of the architecture. */
import { randomUUID } from 'node:crypto'
import type { ChannelModel } from 'amqplib'
import type { Logger } from 'pino'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import { Attacher } from './attach.js'
import { connectBroker, explain } from './broker.js'
import type { BrokerOptions } from './broker.js'
import { Canary } from './canary.js'
import { Ingest } from './ingest.js'
import { Ledger } from './ledger.js'
import { Markers } from './marker.js'
import type { IngestMetrics } from './metrics.js'
import { Pipeline } from './pipeline.js'
import { Publisher, RedisFault } from './publisher.js'
import type { RedisConnection } from './publisher.js'
import { Ring } from './ring.js'
import { Announcer, initialSituation } from './state.js'
import type { Situation } from './state.js'
import { missingExchanges, streamAgeMs, TopologyKeeper } from './stream.js'
import type { Topology } from './stream.js'
import { Upkeep } from './upkeep.js'

export interface Timings {
  readonly headPollMs: number
  readonly crowdedPollMs: number
  readonly idlePollMs: number
  readonly takeoverMs: number
  /** Of canaries and states. */
  readonly beatMs: number
  /** How old the last canary that came through may be for `up`. */
  readonly canaryMs: number
  readonly silenceMs: number
  readonly youngWaitMs: number
  readonly emptyWaitMs: number
  readonly foreignWaitMs: number
  readonly lookMs: number
  readonly retryMs: number
  readonly watchdogMs: number
  readonly reconnectFirstMs: number
  readonly reconnectMaxMs: number
  readonly repeatLogMs: number
  /** Between two declarations of exchanges and bindings while attached. */
  readonly upkeepMs: number
}

export const TIMINGS: Timings = {
  headPollMs: 200,
  crowdedPollMs: 10,
  idlePollMs: 1000,
  takeoverMs: 500,
  beatMs: 1000,
  canaryMs: 3000,
  silenceMs: 3000,
  youngWaitMs: 500,
  emptyWaitMs: 3000,
  foreignWaitMs: 5000,
  lookMs: 200,
  retryMs: 100,
  watchdogMs: 10_000,
  reconnectFirstMs: 100,
  reconnectMaxMs: 2000,
  repeatLogMs: 30_000,
  upkeepMs: 5000,
}

export interface AssemblyOptions {
  readonly broker: BrokerOptions
  readonly topology: Topology
  readonly prefetch: number
  readonly prefix: string
  readonly partitions: number
  /** Number of Redis's database; 0 unless given. */
  readonly database?: number
  readonly sharded: boolean
  readonly historyMs: number
  readonly historyBytes: number
  readonly origin: string | null
  readonly bodyBytesMax: number
  readonly timings?: Partial<Timings>
}

export interface Surroundings {
  readonly redis: RedisConnection
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: IngestMetrics
}

/** Of the credit: enough is left to go on with. */
const ACK_SHARE = 0.25
/** RabbitMQ ends a consumer that keeps a delivery for half an hour, and canaries come once a second. */
const ACK_EVERY_MAX = 256
/** An edge delivers a batch in one go: larger ones would keep its clients waiting. */
const BATCH_COUNT_MAX = 250
const BATCH_BYTES_MAX = 1024 ** 2
const WINDOW_BYTES_MAX = 16 * 1024 ** 2

/** Sizes of batches and of the window, by the credit that the broker gives. */
export function limitsOf(prefetch: number) {
  return {
    batchCountMax: BATCH_COUNT_MAX,
    batchBytesMax: BATCH_BYTES_MAX,
    // While a batch is on its way to Redis, another one is read besides what the credit allows.
    windowMax: prefetch + BATCH_COUNT_MAX,
    windowBytesMax: WINDOW_BYTES_MAX,
  }
}

/** An ingest that has not been started, and what it knows of itself. */
export interface Assembly {
  readonly ingest: Ingest
  readonly situation: Situation
  readonly announcer: Announcer
}

async function connected(
  broker: BrokerOptions,
  what: string,
  ingest: string,
  log: Logger,
): Promise<ChannelModel> {
  const connection = await connectBroker(broker, `wazo-websocketd-ingest ${what} ${ingest}`)
  log.info({ connection: what, host: broker.hosts.current }, 'connected to RabbitMQ')
  return connection
}

export function assemble(options: AssemblyOptions, around: Surroundings): Assembly {
  const { clock, log, metrics } = around
  const { broker, topology, prefetch, partitions, prefix, database = 0, sharded } = options
  const { stream } = topology
  const timings = { ...TIMINGS, ...options.timings }
  const id = randomUUID()
  const situation = initialSituation()
  const ring = new Ring({ historyMs: options.historyMs, historyBytes: options.historyBytes })
  const publisher = new Publisher(around.redis, { prefix, database, partitions, stream, sharded })
  const connect = (what: string) => () => connected(broker, what, id, log)
  const canary = new Canary({ stream, ingest: id, intervalMs: timings.beatMs }, clock, connect('canary'))
  const announcer = new Announcer(
    { ingest: id, intervalMs: timings.beatMs, canaryMs: timings.canaryMs },
    situation,
    { clock, blocked: () => canary.blocked, send: (message) => publisher.announce(message) },
  )
  const changed = (): void => announcer.changed()
  const passive = (is: boolean): void => void (situation.passive = is)
  const attacher = new Attacher(
    { ...timings, stream, partitions, prefetch, ingest: id },
    { publisher, markers: new Markers(stream), canary, clock, log, passive },
  )
  const intake = { origin: options.origin, bodyBytesMax: options.bodyBytesMax, partitions, ingest: id }
  const ledger = new Ledger({ clock, log, metrics, situation })
  const pipeline = new Pipeline(
    {
      chain: { ...timings, ...limitsOf(prefetch) },
      intake,
      retryMs: timings.retryMs,
      watchdogMs: timings.watchdogMs,
      ackEvery: Math.min(Math.ceil(prefetch * ACK_SHARE), ACK_EVERY_MAX),
    },
    { publisher, ring, canary, clock, ledger, metrics, situation, changed },
  )
  const keeper = new TopologyKeeper(topology, (line) => log.warn(line))
  const declare = (connection: ChannelModel): Promise<void> => keeper.declare(connection)
  const said = (error: unknown, lasting: boolean): string =>
    error instanceof RedisFault ? error.message : explain(error, broker, lasting)
  const upkeep = new Upkeep(
    { intervalMs: timings.upkeepMs, repeatLogMs: timings.repeatLogMs },
    {
      missing: (connection) => missingExchanges(connection, topology),
      declare,
      explain: said,
      refused: (is) =>
        void (situation.brokerRefusesSince = is ? (situation.brokerRefusesSince ?? clock.monotonic()) : null),
      clock,
      log,
    },
  )
  const ingest = new Ingest(
    { ...timings, streamReachMs: streamAgeMs(topology) * 0.8 },
    {
      connect: connect('consumer'),
      declare,
      explain: said,
      attacher,
      upkeep,
      pipeline,
      canary,
      announcer,
      ring,
      situation,
      metrics,
      clock,
      log,
    },
  )
  return { ingest, situation, announcer }
}
