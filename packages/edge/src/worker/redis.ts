/** What a worker reaches Redis by. */
import { RedisFactory, type RedisClient } from '@wazo-websocketd/shared/redis/client'
import { RedisConnections } from '@wazo-websocketd/shared/redis/connections'
import { RedisNodes } from '@wazo-websocketd/shared/redis/nodes'
import type { HostPort } from '@wazo-websocketd/shared/runtime/host-port'
import type { WorkerContext } from './context.js'

/** How long the bus's connections may take to be ready; so much longer for each sentinel that may be gone. */
const READY_MS_MAX = 3_000
const SENTINEL_MS = 2_000
/** In a cluster a node that does not answer may be on its way to be replaced. */
const NODE_READY_MS_MAX = 1_500
const EXPIRY_CONNECTION = 'expiry'
/** As soon as on the bus's connections a vanished Redis is noticed. */
const EXPIRY_SILENT_MS_MAX = 3_000
const TIMERS_CONNECTION = 'expiry-worker'
/** Above the 10 s for which BullMQ lets Redis wait for a job before it answers. */
const TIMERS_SILENT_MS_MAX = 12_000

/** Connections that are not the bus's. */
const OWN_CONNECTIONS: ReadonlySet<string> = new Set([EXPIRY_CONNECTION, TIMERS_CONNECTION])

export interface WorkerRedis {
  /** The bus's connections, for commands and messages. */
  readonly bus: RedisConnections
  /** For tickets and the jobs of token expiry; commands fail at once while Redis is away. */
  readonly expiry: RedisClient
  /** For this worker's share in the cluster's timer. */
  readonly timers: RedisClient
}

/** Makes the connections of a worker; those of the bus are opened once it starts. */
export function workerRedis(context: WorkerContext): WorkerRedis {
  const factory = redisFactory(context)
  return {
    bus: busConnections(context, factory),
    expiry: factory.create(EXPIRY_CONNECTION, { failFast: true, silentMsMax: EXPIRY_SILENT_MS_MAX }),
    timers: factory.create(TIMERS_CONNECTION, { silentMsMax: TIMERS_SILENT_MS_MAX }),
  }
}

function redisFactory({ setup, log, hostLog, clock, counts, sessionLog }: WorkerContext): RedisFactory {
  const { url, cluster, sentinels, sentinel_name: sentinelName } = setup.config.redis
  return new RedisFactory({
    url,
    cluster,
    sentinels,
    sentinelName,
    tls: setup.redisTls,
    logger: log,
    hostLog,
    clock,
    // The bus tells of its own connections: one that is up is not yet one that is subscribed.
    connected: (role, up) => OWN_CONNECTIONS.has(role) && counts.connected(role, up),
    clients: sessionLog.unserved,
  })
}

function busConnections({ setup, clock, counts }: WorkerContext, factory: RedisFactory): RedisConnections {
  const { cluster, sentinels } = setup.config.redis
  const connect = (node: HostPort) => factory.connectOnce('nodes', { node })
  const nodes = cluster === null ? null : new RedisNodes({ seeds: cluster, connect, clock })
  return new RedisConnections({
    servers: {
      locate: nodes && ((key) => nodes.ownerOf(key)),
      readyMsMax: nodes === null ? READY_MS_MAX + (sentinels?.length ?? 0) * SENTINEL_MS : NODE_READY_MS_MAX,
      create: (role, node) => factory.connectOnce(role, { node, failFast: role === 'commands' }),
    },
    clock,
    outage: factory.outage,
    connected: (up) => {
      for (const role of ['commands', 'subscriber']) counts.connected(role, up)
    },
  })
}
