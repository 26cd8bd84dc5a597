/** Puts an ingest together from plain options; the defaults are those of the architecture. */
import { randomUUID } from 'node:crypto'
import type { ChannelModel } from 'amqplib'
import type { Logger } from 'pino'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import { Announcer } from './status/announcer.js'
import { Attacher, type Attachment } from './attach/attach.js'
import { connectBroker, describeBrokerError, type BrokerOptions } from './broker/connection.js'
import { CanarySender } from './broker/canary.js'
import { FailureLog } from './status/failure-log.js'
import { Continuity } from './publish/continuity.js'
import { Ingest } from './ingest.js'
import { Accounting } from './status/accounting.js'
import { EpochMarkers } from './broker/epoch-marker.js'
import type { IngestMetrics } from './metrics.js'
import { KnownGaps } from './normalise/numbering.js'
import { PublishLoop, type PublishLoopParts } from './publish/publish-loop.js'
import { Publisher, RedisFault, type RedisCommands } from './publish/publisher.js'
import { StreamHistory } from './attach/history.js'
import { Status } from './status/status.js'
import { missingExchanges, streamAgeMs, TopologyDeclarer, type Topology } from './broker/topology.js'
import { TopologyGuard } from './broker/topology-guard.js'

export interface Timings {
  readonly headPollMs: number
  readonly backlogPollMs: number
  readonly idlePollMs: number
  readonly takeoverMs: number
  /** Of canaries that are beats, and of states. */
  readonly beatMs: number
  /** Between two canaries. */
  readonly canaryIntervalMs: number
  readonly streamStallMs: number
  /** How old the last canary that came through may be for `up`. */
  readonly canaryTimeoutMs: number
  readonly messageTimeoutMs: number
  readonly partialHistoryWaitMs: number
  readonly emptyWaitMs: number
  readonly foreignWaitMs: number
  readonly redisPollMs: number
  readonly retryMs: number
  readonly unreachableMs: number
  readonly rejoinMs: number
  readonly headWatchMs: number
  readonly downAfterMs: number
  readonly attemptTimeoutMs: number
  readonly watchdogMs: number
  readonly reconnectFirstMs: number
  readonly reconnectMaxMs: number
  readonly repeatLogMs: number
  /** Between two declarations of exchanges and bindings while attached. */
  readonly topologyCheckMs: number
}

export const TIMINGS: Timings = {
  headPollMs: 200,
  backlogPollMs: 10,
  idlePollMs: 1000,
  takeoverMs: 500,
  beatMs: 1000,
  canaryIntervalMs: 100,
  streamStallMs: 3000,
  canaryTimeoutMs: 3000,
  messageTimeoutMs: 3000,
  partialHistoryWaitMs: 500,
  emptyWaitMs: 3000,
  foreignWaitMs: 5000,
  redisPollMs: 200,
  retryMs: 100,
  unreachableMs: 2000,
  rejoinMs: 10_000,
  headWatchMs: 2200,
  downAfterMs: 10_000,
  attemptTimeoutMs: 15_000,
  watchdogMs: 10_000,
  reconnectFirstMs: 100,
  reconnectMaxMs: 2000,
  repeatLogMs: 30_000,
  topologyCheckMs: 5000,
}

/** Where several hosts are named, the stream can change its leader: with the death of a node it stands still for 250 ms or longer. */
const CLUSTER_TIMINGS: Partial<Timings> = { canaryIntervalMs: 20, streamStallMs: 120 }

export interface AssemblyOptions {
  readonly broker: BrokerOptions
  readonly topology: Topology
  readonly prefetch: number
  readonly prefix: string
  /** Of Redis; 0 unless given. */
  readonly database?: number
  readonly partitions: number
  readonly sharded: boolean
  readonly historyMs: number
  readonly historyBytes: number
  /** How long Redis may not serve before this ingest says that it is down. */
  readonly redisGraceMs: number
  readonly origin: string | null
  readonly bodyBytesMax: number
  readonly timings?: Partial<Timings>
}

export interface IngestContext {
  readonly redis: RedisCommands
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: IngestMetrics
}

/** Of the credit: enough is left to go on with. */
const ACK_SHARE = 0.25
/** RabbitMQ ends a consumer that keeps a delivery for half an hour, and canaries come ten times a second. */
const ACK_EVERY_MAX = 256
/** An edge delivers a batch in one go: larger ones would keep its clients waiting. */
const BATCH_COUNT_MAX = 250
const BATCH_BYTES_MAX = 1024 ** 2
const WINDOW_BYTES_MAX = 16 * 1024 ** 2
/** Above the time between two beats. */
const LINGER_MS = 1500

/** Of `redis.history_bytes`: the log is cut batch by batch. */
const BATCH_HISTORY_SHARE = 8

/** Sizes of batches and of the window, by the credit that the broker gives and what the log may hold. */
export function limitsOf(prefetch: number, historyBytes: number) {
  return {
    batchCountMax: BATCH_COUNT_MAX,
    batchBytesMax: Math.min(BATCH_BYTES_MAX, historyBytes / BATCH_HISTORY_SHARE),
    // While a batch is on its way to Redis, another one is read besides what the credit allows.
    windowMax: prefetch + BATCH_COUNT_MAX,
    windowBytesMax: WINDOW_BYTES_MAX,
    lingerMs: LINGER_MS,
  }
}

/** An ingest that has not been started, and what it knows of itself. */
export interface Assembly {
  readonly ingest: Ingest
  readonly status: Status
}

export function assemble(options: AssemblyOptions, context: IngestContext): Assembly {
  const { clock, log, metrics, redis } = context
  const { broker, topology, prefetch, partitions, prefix, database = 0, sharded } = options
  const { historyMs, historyBytes } = options
  const { stream } = topology
  const several = options.broker.hosts.count > 1
  const timings = { ...TIMINGS, ...(several ? CLUSTER_TIMINGS : {}), ...options.timings }
  const id = randomUUID()
  const failureLog = new FailureLog(clock, log, timings.repeatLogMs)
  const status = new Status({ ...timings, redisGraceMs: options.redisGraceMs }, clock, failureLog)
  const history = new StreamHistory({ historyMs, historyBytes })
  const stored = { prefix, database, partitions, stream, sharded, historyMs, historyBytes }
  const publisher = new Publisher(redis, stored)
  const said = (error: unknown, lasting: boolean): string =>
    error instanceof RedisFault ? error.message : describeBrokerError(error, broker, lasting)
  const canary = new CanarySender(
    { stream, ingest: id, intervalMs: timings.canaryIntervalMs, beatMs: timings.beatMs },
    clock,
    (error) => status.failed('broker', said(error, false)),
  )
  const announcer = new Announcer({ ingest: id, intervalMs: timings.beatMs }, clock, status, (message) =>
    publisher.announce(message),
  )
  const accounting = new Accounting({ clock, log, metrics, status })
  const keeper = new TopologyDeclarer(topology, (line) => log.warn(line))
  const declare = (connection: ChannelModel): Promise<void> => keeper.declare(connection)
  const ingest = new Ingest(
    { ...timings, streamReachMs: streamAgeMs(topology) * 0.8 },
    {
      connect: connector(broker, id, log),
      host: () => broker.hosts.current,
      skipHost: () => broker.hosts.skip(),
      declare,
      describeError: said,
      attacher: new Attacher(
        { ...timings, stream, partitions, prefetch, ingest: id },
        { publisher, markers: new EpochMarkers(stream), canary, status, clock, log },
      ),
      publishLoop: publishLoops(options, timings, id, {
        publisher,
        history,
        canary,
        continuity: new Continuity(),
        knownGaps: new KnownGaps(),
        clock,
        accounting,
        metrics,
        status,
        onChange: () => announcer.stateChanged(),
      }),
      topologyGuard: new TopologyGuard(timings.topologyCheckMs, {
        missing: (connection) => missingExchanges(connection, topology),
        declare,
        explain: said,
        refused: (is) => (status.topologyRefused = is),
        failureLog,
        clock,
        log,
      }),
      canary,
      announcer,
      history,
      status,
      metrics,
      clock,
      log,
    },
  )
  return { ingest, status }
}

function connector(broker: BrokerOptions, ingest: string, log: Logger) {
  return async (role: 'consumer' | 'canary'): Promise<ChannelModel> => {
    const connection = await connectBroker(broker, `wazo-websocketd-ingest ${role} ${ingest}`)
    log.info({ connection: role, host: broker.hosts.current }, 'connected to RabbitMQ')
    return connection
  }
}

/** Makes a pipeline for each attachment. */
function publishLoops(
  { prefetch, partitions, origin, bodyBytesMax, historyBytes }: AssemblyOptions,
  timings: Timings,
  ingest: string,
  parts: PublishLoopParts,
): (attachment: Attachment) => PublishLoop {
  const options = {
    sequencer: timings,
    window: limitsOf(prefetch, historyBytes),
    delivery: { origin, bodyBytesMax, partitions, ingest },
    retryMs: timings.retryMs,
    watchdogMs: timings.watchdogMs,
    streamStallMs: timings.streamStallMs,
    checkMs: timings.canaryIntervalMs * 2,
    canaryWaitMs: timings.beatMs,
    ackEvery: Math.min(Math.ceil(prefetch * ACK_SHARE), ACK_EVERY_MAX),
  }
  return (attachment) => new PublishLoop(options, parts, attachment)
}
