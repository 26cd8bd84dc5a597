/** The project's programs over simulated servers: everything of them but their sockets, wazo-auth and BullMQ. */
import { BrokerHosts } from '@wazo-websocketd/ingest/broker/hosts'
import { STREAM } from '@wazo-websocketd/ingest/broker/topology'
import { assemble, type AssemblyOptions } from '@wazo-websocketd/ingest/assemble'
import { ingestMetrics } from '@wazo-websocketd/ingest/metrics'
import { RedisConnection, type ReplaceableClient } from '@wazo-websocketd/ingest/publish/redis-connection'
import type { Status } from '@wazo-websocketd/ingest/status/status'
import { RedisBus } from '@wazo-websocketd/edge/bus/bus'
import { FanOut } from '@wazo-websocketd/edge/deliver/fan-out'
import { FrameBytes } from '@wazo-websocketd/edge/deliver/frame'
import { busMetrics } from '@wazo-websocketd/edge/bus/metrics'
import { routeMetrics } from '@wazo-websocketd/edge/route/metrics'
import { Router } from '@wazo-websocketd/edge/route/router'
import { SubscriptionIndex } from '@wazo-websocketd/edge/route/subscription-index'
import type { ClientSocket, SocketListener, UpgradeRequest } from '@wazo-websocketd/edge/session/ports'
import { SessionLog } from '@wazo-websocketd/edge/session/session-log'
import { Sessions } from '@wazo-websocketd/edge/session/sessions'
import { RedisTickets } from '@wazo-websocketd/edge/drain/redis-tickets'
import { HandoverSender } from '@wazo-websocketd/edge/handover/sender'
import { Shutdown } from '@wazo-websocketd/edge/process/shutdown'
import { Notices } from '@wazo-websocketd/edge/worker/notices'
import type { RedisClient as RedisCommands } from '@wazo-websocketd/shared/redis/client'
import { RedisConnections } from '@wazo-websocketd/shared/redis/connections'
import type { RedisServers } from '@wazo-websocketd/shared/redis/pair'
import type { HostPort } from '@wazo-websocketd/shared/runtime/host-port'
import { Metrics } from '@wazo-websocketd/shared/runtime/metrics'
import type { Redis } from 'ioredis'
import { pino, type Logger } from 'pino'
import { MASTER_TENANT } from '../support/auth.mjs'
import { FakeMetrics, LIMITS } from '../support/fakes/session.js'
import type { Random } from '../support/scenario/random.js'
import { AmqpConnection, connectAmqp } from './amqp-client.js'
import { RedisClient, RedisClusterClient, type RedisHost } from './redis-client.js'
import { PREFIX, tagOf } from './redis-server.js'
import type { Scheduler, SimulatedProcess } from './scheduler.js'
import type { StreamBroker } from './stream-broker.js'
import type { TokenServer } from './wazo.js'

const HISTORY_MS = 60_000
const HISTORY_BYTES = 64 * 1024 ** 2
const PREFETCH = 250
const REDIS_LOST_GRACE_MS = 30_000
const BUS_LOST_GRACE_MS = 2000
const SILENCE_GRACE_MS = 30_000
const REDIS_TIMEOUTS = { callTimeoutMs: 3000, readyTimeoutMs: 5000, renewIntervalMs: 1000 }
const READY_MS_MAX = 3000
const TAG = 'tag'
const DRAIN = { ratePerSecond: 100, timeoutMs: 10_000 }

const nothing = (): void => undefined
const NO_SUCCESSOR = { send: nothing, onMessage: nothing }

/** What a program of the cluster can reach. */
export interface Surroundings {
  readonly scheduler: Scheduler
  readonly random: Random
  readonly broker: StreamBroker
  /** One, or in a cluster one for each partition. */
  readonly redis: readonly RedisHost[]
  readonly partitions: number
  readonly tokens: TokenServer
  /** Takes a line of a program's log; null: nobody reads them. */
  readonly log: ((process: SimulatedProcess, line: string) => void) | null
}

export interface Program {
  readonly process: SimulatedProcess
  /** What it says is missing for it to be ready; empty: it is. */
  notReadyReasons(): readonly string[]
}

/** The server that has the keys with a tag. */
export function ownerOf({ redis }: Pick<Surroundings, 'redis'>, tag: string): number {
  if (/^\d+$/.test(tag)) return Number(tag) % redis.length
  return Buffer.from(tag).reduce((sum, byte) => sum + byte, 0) % redis.length
}

/** A connection that is made again, for commands to all servers. */
function commandsOf(process: SimulatedProcess, world: Surroundings): RedisClient | RedisClusterClient {
  const { scheduler, random, redis } = world
  const clients = redis.map((host) => new RedisClient(scheduler, random, host, { process, reconnects: true }))
  return clients.length === 1 ? clients[0]! : new RedisClusterClient(clients, (tag) => ownerOf(world, tag))
}

function loggerOf({ log }: Surroundings, process: SimulatedProcess): Logger {
  if (log === null) return pino({ level: 'silent' })
  return pino({ base: null, timestamp: false }, { write: (line: string) => log(process, line.trim()) })
}

export class IngestProgram implements Program {
  readonly process: SimulatedProcess
  private readonly status: Status
  private readonly redis: RedisConnection
  private readonly connections = new Set<AmqpConnection>()

  constructor(process: SimulatedProcess, world: Surroundings) {
    const { scheduler, random, broker, redis, partitions } = world
    this.process = process
    const create = (): ReplaceableClient => commandsOf(process, world)
    this.redis = new RedisConnection({ ...REDIS_TIMEOUTS, where: 'redis' }, process, create)
    const hosts = redis.length === 1 ? ['rabbit:1'] : ['rabbit:1', 'rabbit:2', 'rabbit:3']
    const assembly = assemble(assemblyOptions(new BrokerHosts(hosts), partitions, redis.length > 1), {
      redis: this.redis,
      clock: process,
      log: loggerOf(world, process),
      metrics: ingestMetrics(new Metrics({ defaults: false })),
      connect: async () => {
        const connection = await connectAmqp(scheduler, random, broker, process)
        this.connections.add(connection as unknown as AmqpConnection)
        return connection
      },
    })
    this.status = assembly.status
    void assembly.ingest.run(new AbortController().signal)
  }

  notReadyReasons(): readonly string[] {
    return this.status.notReadyReasons(this.redis.connected)
  }

  /** The broker closes its channels. */
  loseChannels(): void {
    for (const connection of this.connections) connection.refuseChannels()
  }

  /** Its hosts of the broker vanish without a word. */
  loseBroker(scheduler: Scheduler): void {
    for (const connection of this.connections) connection.vanish(scheduler)
  }
}

function assemblyOptions(hosts: BrokerHosts, partitions: number, sharded: boolean): AssemblyOptions {
  return {
    broker: { hosts, tls: null, username: 'guest', password: 'guest', vhost: '/', heartbeat: 10 },
    topology: {
      ...{ stream: STREAM, exchange: 'wazo-headers', exchangeType: 'headers', legacyExchange: 'xivo' },
    },
    prefetch: PREFETCH,
    prefix: PREFIX,
    partitions,
    sharded,
    historyMs: HISTORY_MS,
    historyBytes: HISTORY_BYTES,
    redisGraceMs: REDIS_LOST_GRACE_MS,
    origin: null,
    bodyBytesMax: 1024 ** 2,
  }
}

export class WorkerProgram implements Program {
  readonly process: SimulatedProcess
  readonly host: number
  /** Resolves when it has ended by itself. */
  readonly ended: Promise<void>
  private readonly bus: RedisBus
  private readonly sessions: Sessions
  private readonly shutdown: Shutdown

  constructor(process: SimulatedProcess, host: number, world: Surroundings) {
    const { tokens, partitions } = world
    const connections = redisConnections(process, world)
    const commands = commandsOf(process, world)
    const historyMs = HISTORY_MS
    const client = (): RedisCommands | null =>
      commands.status === 'ready' ? (commands as unknown as RedisCommands) : null
    const logger = loggerOf(world, process)
    const counts = new FakeMetrics()
    this.process = process
    this.host = host
    const index = new SubscriptionIndex()
    const registry = new Metrics({ defaults: false })
    const routing = routeMetrics(registry)
    const router = new Router({ index, accessScope: 'tenant', metrics: routing })
    const auth = tokens.reachedBy(process)
    this.bus = new RedisBus({
      prefix: PREFIX,
      partitions,
      lostGraceMs: BUS_LOST_GRACE_MS,
      silenceGraceMs: SILENCE_GRACE_MS,
      redisLostGraceMs: REDIS_LOST_GRACE_MS,
      connections,
      clock: process,
      logger,
      metrics: busMetrics(registry),
      listener: {
        events: (partition, events) => fanOut.deliver(partition, events),
        lost: (partition, why) => void this.sessions.lost(partition, why),
        readinessChanged: nothing,
      },
    })
    this.sessions = new Sessions({
      authenticator: auth,
      watch: auth,
      tickets: new RedisTickets({ prefix: PREFIX, historyMs, client, clock: process, logger }),
      bus: this.bus,
      index,
      permission: router,
      clock: process,
      metrics: counts,
      sessionLog: new SessionLog({
        sessions: false,
        tagOf: () => TAG,
        clock: process,
        log: logger,
        hostLog: logger,
      }),
      hostLog: logger,
      limits: { ...LIMITS, connectionsPerWorker: 10_000 },
      partitions,
      everyTenant: false,
      resumeSeconds: HISTORY_MS / 1000,
      replayBufferBytes: 1_000_000,
      renewalDeadline: 8000,
      masterTenant: () => MASTER_TENANT,
      notReadyReasons: () => this.bus.notReadyReasons(),
      intern: index.intern,
      defer: (task: () => void) => void process.after(0, task),
      frameBytes: new FrameBytes(),
    })
    const fanOut = new FanOut({
      router,
      verdicts: { forget: nothing },
      sessions: this.sessions,
      clock: process,
      metrics: routing,
    })
    let end: () => void = nothing
    this.ended = new Promise((resolve) => (end = resolve))
    process.onDeath(end)
    this.shutdown = new Shutdown({
      sessions: this.sessions,
      sockets: { stopListening: nothing, settle: () => Promise.resolve() },
      sender: new HandoverSender({ channel: NO_SUCCESSOR, clock: process }),
      arriving: () => 0,
      handsOver: false,
      clock: process,
      log: logger,
      handedOver: nothing,
      began: nothing,
      end: () => {
        end()
        return Promise.resolve()
      },
    })
    const watcher = { handleNotice: nothing }
    new Notices({
      ...{ prefix: PREFIX, database: 0, leaveTogether: true, connections, watcher, shutdown: this.shutdown },
      ...{ unreadable: nothing, clock: process, log: logger },
    }).start()
    this.bus.start()
  }

  /** Sends its clients to other workers, as on SIGTERM. */
  drain(): void {
    this.shutdown.drain(DRAIN)
  }

  connect(socket: ClientSocket, request: UpgradeRequest): SocketListener {
    return this.sessions.connect(socket, request)
  }

  notReadyReasons(): readonly string[] {
    return this.shutdown.draining ? ['draining'] : this.bus.notReadyReasons()
  }
}

function redisConnections(process: SimulatedProcess, world: Surroundings): RedisConnections {
  const { scheduler, random, redis } = world
  const client = (node: HostPort | null): Redis =>
    new RedisClient(scheduler, random, redis[node?.port ?? 0]!, {
      process,
      reconnects: false,
    }) as unknown as Redis
  const servers: RedisServers = {
    locate:
      redis.length === 1
        ? null
        : (key) => Promise.resolve({ host: 'redis', port: ownerOf(world, tagOf(key)) }),
    create: (_, node) => client(node),
    readyMsMax: READY_MS_MAX,
  }
  return new RedisConnections({
    servers,
    clock: process,
    outage: { fails: nothing, works: nothing },
    connected: nothing,
  })
}
