/** Connections to Redis, all made alike: a single server or a cluster, with TLS or not. */
import { Cluster, Redis } from 'ioredis'
import type { Logger } from 'pino'
import type { Clock } from './clock.js'
import { RateLimitedLog } from './rate-limited-log.js'
import { describeRedisError } from './redis-error.js'

export type RedisClient = Redis | Cluster

/** Where a server listens. */
export interface RedisNode {
  readonly host: string
  readonly port: number
}

export interface RedisFactoryOptions {
  /** `redis.url`; for a cluster it gives user, password and whether to use TLS. */
  readonly url: string
  /** `redis.cluster`: host:port of some nodes; null: a single server. */
  readonly cluster: readonly string[] | null
  readonly logger: Logger
  readonly clock: Clock
  /** `redis_connected{role}`. */
  connected?(role: string, connected: boolean): void
  /** Milliseconds; 3000 unless given. */
  readonly connectTimeoutMs?: number
}

export interface ConnectionOptions {
  /**
   * Commands fail at once while there is no connection, and nothing that was under way is sent again:
   * for a publisher, which must know what was sent.
   */
  readonly failFast?: boolean
  /**
   * Milliseconds of silence while an answer is due, after which the connection is given up and made anew: its
   * other end may have vanished. No limit unless given.
   */
  readonly silentMsMax?: number
}

export interface LinkOptions {
  readonly failFast?: boolean
  /** A node of the cluster; null: the single server. */
  readonly node: RedisNode | null
}

interface CommonOptions {
  readonly connectionName: string
  readonly connectTimeout: number
  readonly keepAlive: number
  readonly noDelay: boolean
  readonly autoResendUnfulfilledCommands: boolean
  readonly maxRetriesPerRequest: number | null
  readonly socketTimeout?: number
}

const CONNECT_TIMEOUT_MS = 3000
const RECONNECT_FIRST_MS = 50
const RECONNECT_MAX_MS = 1000
const RECONNECT_JITTER_MS = 200
const KEEP_ALIVE_MS = 5000

/** The delay before the n-th reconnect: grows from 50 ms, never more than a second. */
export function reconnectDelayMs(attempt: number, random: () => number = Math.random): number {
  const grown = RECONNECT_FIRST_MS * 2 ** Math.min(attempt - 1, 10)
  return Math.min(grown, RECONNECT_MAX_MS - RECONNECT_JITTER_MS) + random() * RECONNECT_JITTER_MS
}

/** Makes the connections of a process and ends them together. */
export class RedisFactory {
  private readonly options: RedisFactoryOptions
  private readonly log: RateLimitedLog
  private readonly clients = new Set<RedisClient>()

  constructor(options: RedisFactoryOptions) {
    this.options = options
    this.log = new RateLimitedLog(options.logger, options.clock)
  }

  /**
   * A connection that connects, and connects again, by itself; `role` names it in logs and metrics.
   * Errors of the connection are logged at a bounded rate and never thrown.
   */
  create(role: string, { failFast = false, silentMsMax }: ConnectionOptions = {}): RedisClient {
    const common = this.common(role, failFast, silentMsMax)
    const { cluster } = this.options
    const client =
      cluster === null ? this.single(common, failFast) : this.clustered(cluster, common, failFast)
    this.watch(client, role)
    return client
  }

  /** One connection to one server, which its owner watches and throws away when it ends; only its errors are logged. */
  link(role: string, { failFast = false, node }: LinkOptions): Redis {
    const common = this.common(role, failFast)
    const client =
      node === null
        ? this.single(common, failFast)
        : new Redis({ ...common, ...this.credentials(), ...node, enableOfflineQueue: !failFast })
    // Left to itself it would connect again beside its successor.
    client.options.retryStrategy = null
    this.clients.add(client)
    client.on('end', () => this.clients.delete(client))
    this.logErrors(client, role)
    return client
  }

  /** Ends every connection at once. */
  close(): void {
    for (const client of this.clients) client.disconnect()
    this.clients.clear()
    this.log.close()
  }

  private common(role: string, failFast: boolean, silentMsMax?: number): CommonOptions {
    return {
      connectionName: `wazo-websocketd-${role}`,
      connectTimeout: this.options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
      keepAlive: KEEP_ALIVE_MS,
      noDelay: true,
      autoResendUnfulfilledCommands: !failFast,
      // 0 rejects what was under way as soon as the connection closes; null never gives up.
      maxRetriesPerRequest: failFast ? 0 : null,
      ...(silentMsMax === undefined ? {} : { socketTimeout: silentMsMax }),
    }
  }

  private single(common: CommonOptions, failFast: boolean): Redis {
    return new Redis(this.options.url, {
      ...common,
      enableOfflineQueue: !failFast,
      retryStrategy: (attempt) => reconnectDelayMs(attempt),
    })
  }

  private clustered(nodes: readonly string[], common: CommonOptions, failFast: boolean): Cluster {
    return new Cluster([...nodes], {
      enableOfflineQueue: !failFast,
      clusterRetryStrategy: (attempt) => reconnectDelayMs(attempt),
      redisOptions: { ...common, ...this.credentials() },
    })
  }

  /** Of every node of a cluster. */
  private credentials(): { username?: string; password?: string; tls?: object } {
    const { username, password, protocol } = new URL(this.options.url)
    return {
      ...(username === '' ? {} : { username: decodeURIComponent(username) }),
      ...(password === '' ? {} : { password: decodeURIComponent(password) }),
      ...(protocol === 'rediss:' ? { tls: {} } : {}),
    }
  }

  private watch(client: RedisClient, role: string): void {
    const { logger } = this.options
    let isConnected = false
    const change = (now: boolean) => {
      if (now === isConnected) return
      isConnected = now
      this.options.connected?.(role, now)
      if (now) logger.info({ role }, 'connected to Redis')
      else if (this.clients.has(client))
        this.log.warn('lost', { role }, 'connection to Redis lost: trying again')
    }
    this.clients.add(client)
    this.options.connected?.(role, false)
    client.on('ready', () => change(true))
    client.on('close', () => change(false))
    client.on('end', () => {
      change(false)
      this.clients.delete(client) // thrown away by its owner, or given up: nothing left to end
    })
    this.logErrors(client, role)
  }

  private logErrors(client: RedisClient, role: string): void {
    client.on('error', (error: unknown) => {
      const text = describeRedisError(error, this.options.url, this.options.cluster)
      this.log.error(text, { role }, text)
    })
  }
}
