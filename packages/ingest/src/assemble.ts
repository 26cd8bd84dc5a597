/** Puts an ingest together from plain options. */
import { randomUUID } from 'node:crypto'
import type { ChannelModel } from 'amqplib'
import type { Logger } from 'pino'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import type { OutageLog } from '@wazo-websocketd/shared/runtime/outage-log'
import { Attacher, type Attachment } from './attach/attach.js'
import { StreamHistory } from './attach/history.js'
import { CanarySender } from './broker/canary.js'
import { connectBroker, describeBrokerError, type BrokerOptions } from './broker/connection.js'
import { EpochMarkers } from './broker/epoch-marker.js'
import { TopologyGuard } from './broker/topology-guard.js'
import { streamAgeMs, TopologyDeclarer, type Topology } from './broker/topology.js'
import { Ingest, type IngestParts } from './ingest.js'
import type { IngestMetrics } from './metrics.js'
import { KnownGaps } from './normalise/numbering.js'
import { Continuity } from './publish/continuity.js'
import { ackEvery, PublishLoop } from './publish/publish-loop.js'
import { Publisher, type RedisCommands } from './publish/publisher.js'
import { windowLimits } from './publish/window.js'
import { Accounting } from './status/accounting.js'
import { Announcer } from './status/announcer.js'
import { FailureLog } from './status/failure-log.js'
import { Status } from './status/status.js'
import { timingsFor, type Timings } from './timings.js'

export interface AssemblyOptions {
  readonly broker: BrokerOptions
  readonly topology: Topology
  readonly prefetch: number
  readonly prefix: string
  /** Number of Redis's database; 0 unless given. */
  readonly database?: number
  readonly partitions: number
  readonly sharded: boolean
  readonly historyMs: number
  readonly historyBytes: number
  /** Redis may fail to serve for so long before this ingest counts as down. */
  readonly redisGraceMs: number
  readonly origin: string | null
  readonly bodyBytesMax: number
  readonly timings?: Partial<Timings>
}

export interface IngestContext {
  readonly redis: RedisCommands
  /** In which the connection to Redis tells of its outages; absent: it does not. */
  readonly redisOutage?: OutageLog
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: IngestMetrics
  /** Opens a connection to the broker; amqplib's to `broker` unless given. */
  readonly connect?: IngestParts['connect']
}

/** An ingest that has not been started, and its status. */
export interface Assembly {
  readonly ingest: Ingest
  readonly status: Status
  /** The id of this ingest in its states. */
  readonly id: string
}

/** Part of the stream's age back to which it surely reaches. */
const STREAM_REACH_SHARE = 0.8

export function assemble(options: AssemblyOptions, context: IngestContext): Assembly {
  const { redis, ...program } = context
  const { clock, log } = program
  const { broker, topology, prefetch, prefix, database = 0, partitions, sharded } = options
  const { historyMs, historyBytes, origin, bodyBytesMax } = options
  const { stream } = topology
  const timings = { ...timingsFor(broker.hosts.count), ...options.timings }
  const { beatMs, canaryIntervalMs: intervalMs } = timings
  const id = randomUUID()
  const failureLog = new FailureLog(clock, log, timings.repeatLogMs, context.redisOutage)
  const status = new Status({ ...timings, redisGraceMs: options.redisGraceMs }, clock, failureLog)
  const history = new StreamHistory({ historyMs, historyBytes })
  const stored = { prefix, database, partitions, stream, sharded, historyMs, historyBytes }
  const publisher = new Publisher(redis, stored)
  const describeError = (error: unknown, lasting: boolean): string =>
    describeBrokerError(error, broker, lasting)
  const canary = new CanarySender({ stream, ingest: id, intervalMs, beatMs }, clock, (error) =>
    status.failed('broker', describeError(error, false)),
  )
  const announcer = new Announcer({ ingest: id, intervalMs: beatMs }, clock, status, (message) =>
    publisher.announce(message),
  )
  const declarer = new TopologyDeclarer(topology, (line) => log.warn(line), clock)
  const attacher = new Attacher(
    { ...timings, stream, partitions, prefetch, ingest: id },
    { ...program, publisher, markers: new EpochMarkers(stream, clock), canary, status },
  )
  const topologyGuard = new TopologyGuard(timings.topologyCheckMs, {
    ...program,
    topology: declarer,
    describeError,
    onRefused: (is) => (status.topologyRefused = is),
    failureLog,
  })
  const loopOptions = {
    timings,
    window: windowLimits(prefetch, historyBytes),
    delivery: { origin, bodyBytesMax, partitions, ingest: id },
    ackEvery: ackEvery(prefetch),
  }
  const loopParts = {
    ...program,
    publisher,
    history,
    canary,
    continuity: new Continuity(),
    knownGaps: new KnownGaps(),
    accounting: new Accounting({ ...program, status }),
    status,
    onChange: () => announcer.statusChanged(),
  }
  const ingest = new Ingest(
    { ...timings, streamReachMs: streamAgeMs(topology) * STREAM_REACH_SHARE },
    {
      ...program,
      connect: context.connect ?? connector(broker, id, log),
      hosts: broker.hosts,
      topology: declarer,
      describeError,
      attacher,
      publishLoop: (attachment: Attachment) => new PublishLoop(loopOptions, loopParts, attachment),
      topologyGuard,
      canary,
      announcer,
      history,
      status,
    },
  )
  return { ingest, status, id }
}

function connector(broker: BrokerOptions, ingest: string, log: Logger): IngestParts['connect'] {
  return async (role): Promise<ChannelModel> => {
    const connection = await connectBroker(broker, `wazo-websocketd-ingest ${role} ${ingest}`)
    log.info({ connection: role, host: broker.hosts.current }, 'connected to RabbitMQ')
    return connection
  }
}
