/** Connections to Redis, all made alike: a single server, a cluster, or what sentinels call master; with TLS or not. */
import { Cluster, Redis, type RedisOptions } from 'ioredis'
import type { Logger } from 'pino'
import type { LineLog } from '../runtime/line-log.js'
import type { Clock } from '../runtime/clock.js'
import { programVersion } from '../runtime/version.js'
import { connectionName } from './client-name.js'
import { redisDatabase } from './url.js'
import { parseHostPort, type HostPort } from '../runtime/host-port.js'
import { OutageLog } from '../runtime/outage-log.js'
import { ErrorLog } from './error-log.js'
import { describeRedisError, isNoMaster, placeOf, type RedisPlace } from './errors.js'
import { SentinelWatch } from './sentinels.js'
import type { ClientTls } from '../runtime/tls.js'

export type RedisClient = Redis | Cluster

export interface RedisFactoryOptions extends RedisPlace {
  /** `redis.tls`; null: TLS only where `url` says so, and without files. */
  readonly tls?: ClientTls | null
  readonly logger: Logger
  /** Where its outage is told; `logger` unless given. */
  readonly hostLog?: Pick<LineLog, 'error' | 'info'>
  readonly clock: Clock
  /** `redis_connected{role}`. */
  connected?(role: string, connected: boolean): void
  /** How many clients were closed or turned away so far, in all: for the line that ends an outage. */
  readonly clients?: () => number
  /** Milliseconds; 3000 unless given. */
  readonly connectTimeoutMs?: number
}

/** What keeps a connection by itself tells whether it works. `part` names it among all of the process. */
export interface RedisOutage {
  /** @param why what the connection or Redis said. */
  fails(part: string, why: string): void
  works(part: string): void
}

export interface ClientOptions {
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

export interface ConnectOnceOptions {
  readonly failFast?: boolean
  /** A node of the cluster; null: the single server, or the one that sentinels call master. */
  readonly node: HostPort | null
}

interface CommonOptions {
  readonly connectionName: string
  readonly connectTimeout: number
  readonly keepAlive: number
  readonly noDelay: boolean
  readonly autoResendUnfulfilledCommands: boolean
  readonly maxRetriesPerRequest: number | null
  readonly socketTimeout?: number
  readonly username?: string
  readonly password?: string
  readonly tls?: ClientTls | object
}

const CONNECT_TIMEOUT_MS = 3000
const RECONNECT_FIRST_MS = 50
const RECONNECT_MAX_MS = 1000
const RECONNECT_JITTER_MS = 200
const KEEP_ALIVE_MS = 5000
/** Before the next connection after one to a server that is no master: its sentinels need a moment. */
const NO_MASTER_DELAY_MS = 500
/** For each sentinel that is asked, and then the master, to connect: the next one may answer sooner. */
const SENTINEL_MS_MAX = 1000

/** The delay before the n-th reconnect: grows from 50 ms, never more than a second. */
export function reconnectDelayMs(attempt: number, random: () => number = Math.random): number {
  const grown = RECONNECT_FIRST_MS * 2 ** Math.min(attempt - 1, 10)
  return Math.min(grown, RECONNECT_MAX_MS - RECONNECT_JITTER_MS) + random() * RECONNECT_JITTER_MS
}

/** Makes the connections of a process and ends them together. */
export class RedisFactory {
  private readonly options: RedisFactoryOptions
  private readonly clients = new Set<RedisClient>()
  private failovers: SentinelWatch | null = null
  private readonly errors: ErrorLog
  /** Of all connections to this Redis. */
  readonly outageLog: OutageLog
  /** For connections of `connectOnce`. */
  readonly outage: RedisOutage

  constructor(options: RedisFactoryOptions) {
    this.options = options
    const { logger, hostLog: log = logger, clock, clients } = options
    const { tls = null } = this.access()
    const outage = new OutageLog({
      over: 'Redis serves again',
      log,
      clock,
      ...(clients === undefined ? {} : { clients }),
    })
    this.outageLog = outage
    this.outage = {
      fails: (part, why) =>
        outage.fails(part, describeRedisError(new Error(why), options), { fields: { part } }),
      works: (part) => outage.recovers(part),
    }
    this.errors = new ErrorLog({ place: options, tls, clock })
  }

  /**
   * A connection that connects, and connects again, by itself; `role` names it in logs and metrics.
   * Errors of the connection are logged as an outage of Redis (`OutageLog`) and never thrown.
   */
  create(role: string, { failFast = false, silentMsMax }: ClientOptions = {}): RedisClient {
    const common = this.common(role, failFast, silentMsMax)
    const { cluster } = this.options
    if (cluster !== null) return this.watch(this.clustered(cluster, common, failFast), role)
    const demoted = { last: false }
    return this.watch(this.single(common, failFast, demoted), role, demoted)
  }

  /** One connection to one server, which its owner watches and throws away when it ends; only its errors are logged. */
  connectOnce(role: string, { failFast = false, node }: ConnectOnceOptions): Redis {
    const common = this.common(role, failFast)
    const client =
      node === null
        ? this.single(common, failFast, { last: false })
        : new Redis({ ...common, ...node, enableOfflineQueue: !failFast })
    // Left to itself it would connect again beside its successor.
    client.options.retryStrategy = null
    this.clients.add(client)
    client.on('end', () => this.clients.delete(client))
    // Its owner tells how long it is out.
    this.errors.watch(client, (line) => this.outageLog.remark(line, { fields: { role } }))
    return client
  }

  /** Ends every connection at once. */
  close(): void {
    for (const client of this.clients) client.disconnect()
    this.clients.clear()
    this.failovers?.close()
    this.outageLog.close()
  }

  private common(role: string, failFast: boolean, silentMsMax?: number): CommonOptions {
    const { sentinels = null, connectTimeoutMs = CONNECT_TIMEOUT_MS } = this.options
    return {
      connectionName: connectionName(role, programVersion()),
      connectTimeout: sentinels === null ? connectTimeoutMs : Math.min(connectTimeoutMs, SENTINEL_MS_MAX),
      keepAlive: KEEP_ALIVE_MS,
      noDelay: true,
      autoResendUnfulfilledCommands: !failFast,
      // 0 rejects what was under way as soon as the connection closes; null never gives up.
      maxRetriesPerRequest: failFast ? 0 : null,
      ...(silentMsMax === undefined ? {} : { socketTimeout: silentMsMax }),
      ...this.access(),
    }
  }

  private access(): Pick<CommonOptions, 'username' | 'password' | 'tls'> {
    const { url, tls = null } = this.options
    const { username, password, protocol } = new URL(url)
    return {
      ...(username === '' ? {} : { username: decodeURIComponent(username) }),
      ...(password === '' ? {} : { password: decodeURIComponent(password) }),
      ...(protocol === 'rediss:' || tls !== null ? { tls: tls ?? {} } : {}),
    }
  }

  /** `demoted.last` becomes true when the server turns out to be no master. */
  private single(common: CommonOptions, failFast: boolean, demoted: { last: boolean }): Redis {
    const { sentinels = null } = this.options
    const options = {
      ...common,
      enableOfflineQueue: !failFast,
      retryStrategy: (attempt: number) => (demoted.last ? NO_MASTER_DELAY_MS : reconnectDelayMs(attempt)),
      // The connection that is made anew leads to the new master: by its sentinels, or by its address.
      reconnectOnError: (error: Error): false | 1 | 2 => {
        if (!isNoMaster(error)) return false
        demoted.last = true
        return failFast ? 1 : 2 // 2: and sends the command again
      },
    } satisfies RedisOptions
    if (sentinels === null) return new Redis(this.options.url, options)
    const { password, tls, connectTimeout, connectionName } = common
    const { sentinelName: name = '', url } = this.options
    const asked = sentinels.map(parseHostPort)
    // A sentinel without a password takes any from its default user.
    const auth = password === undefined ? {} : { password }
    const access = { ...auth, ...(tls === undefined ? {} : { tls }), connectTimeout, connectionName }
    this.failovers ??= new SentinelWatch({ sentinels: asked, name, access, switched: () => this.reconnect() })
    const client = new Redis({
      ...options,
      sentinels: asked,
      name,
      db: redisDatabase(url),
      enableTLSForSentinelMode: true,
      ...(password === undefined ? {} : { sentinelPassword: password }),
      ...(tls === undefined ? {} : { sentinelTLS: tls }),
      sentinelCommandTimeout: SENTINEL_MS_MAX,
      sentinelRetryStrategy: (attempt) => reconnectDelayMs(attempt),
    })
    return this.trackDuplicates(client)
  }

  /** Those that are connected; others ask the sentinels, and would not survive it. */
  private reconnect(): void {
    for (const client of this.clients)
      if (client.status === 'ready' || client.status === 'connect') client.disconnect(true)
  }

  /** BullMQ makes a second connection like the one that it is given: it hears of failovers, too. */
  private trackDuplicates(client: Redis): Redis {
    const duplicate = client.duplicate.bind(client)
    client.duplicate = (...args) => {
      const twin = duplicate(...args)
      this.clients.add(twin)
      return twin.on('end', () => this.clients.delete(twin))
    }
    return client
  }

  private clustered(nodes: readonly string[], common: CommonOptions, failFast: boolean): Cluster {
    return new Cluster([...nodes], {
      enableOfflineQueue: !failFast,
      clusterRetryStrategy: (attempt) => reconnectDelayMs(attempt),
      redisOptions: common,
    })
  }

  private watch<T extends RedisClient>(client: T, role: string, demoted = { last: false }): T {
    const { logger } = this.options
    const { outageLog: outage } = this
    let isConnected = false
    let isKnown = false
    const fields = { role }
    const change = (now: boolean) => {
      if (now === isConnected) return
      isConnected = now
      this.options.connected?.(role, now)
      if (now) {
        // Later ones are told by the end of the outage.
        logger[isKnown ? 'debug' : 'info']({ role }, 'connected to Redis')
        isKnown = true
        outage.recovers(role)
      } else if (demoted.last)
        outage.fails(role, `Redis at ${placeOf(this.options)} is no master (any more): connecting anew`, {
          fields,
        })
      else if (this.clients.has(client))
        outage.fails(role, `connection to Redis lost, at ${placeOf(this.options)}: trying again`, { fields })
    }
    this.clients.add(client)
    this.options.connected?.(role, false)
    client.on('ready', () => {
      change(true)
      demoted.last = false
    })
    client.on('close', () => change(false))
    client.on('end', () => {
      change(false)
      this.clients.delete(client) // thrown away by its owner, or given up: nothing left to end
    })
    this.errors.watch(client, (line) => {
      if (!this.clients.has(client)) return
      // One that is ready all the same does not say so again.
      if (client.status === 'ready') outage.remark(line, { fields })
      else outage.fails(role, line, { fields })
    })
    return client
  }
}

/** The servers that take writes: of a cluster all its masters. */
export function mastersOf(client: RedisClient): readonly Redis[] {
  return client instanceof Cluster ? client.nodes('master') : [client]
}
