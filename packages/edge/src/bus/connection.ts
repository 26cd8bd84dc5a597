import type { Clock, Timer } from '@wazo-websocketd/shared/runtime/clock'
import type { Cluster, Redis } from 'ioredis'
import type { Logger } from 'pino'

export type RedisClient = Redis | Cluster

const PING_INTERVAL_MS = 500
/**
 * So many pings in a row without an answer: the connection is dead (3 s after the first, 3.5 s after the
 * last sign of life). Counted rather than timed: a process that was stopped itself has missed nothing.
 */
const PINGS_MISSED_MAX = 6
const RECONNECT_DELAY_MIN_MS = 50
/** Sessions wait for the connection, so the delay stays short however long Redis is away. */
const RECONNECT_DELAY_MAX_MS = 500

export interface ConnectionOptions {
  readonly role: 'subscriber' | 'commands'
  /** A new client, connecting or about to. It is used for one connection and then thrown away. */
  readonly create: () => RedisClient
  readonly clock: Clock
  readonly logger: Logger
  readonly up: (client: RedisClient) => void
  readonly down: () => void
}

/**
 * Keeps one connection to Redis: pings it, and replaces it when it is closed or does not answer.
 *
 * The client library on its own notices a vanished host after 40 s at best, and its closing of a half-open
 * connection waits for the other end; a fresh client does neither.
 */
export class Connection {
  private readonly options: ConnectionOptions
  private current: RedisClient | null = null
  private ready = false
  private stopped = false
  private missed = 0
  private failures = 0
  private pinging: Timer | null = null
  private reconnecting: Timer | null = null

  constructor(options: ConnectionOptions) {
    this.options = options
  }

  start(): void {
    this.connect()
    this.schedulePing()
  }

  stop(): void {
    this.stopped = true
    this.pinging?.cancel()
    this.reconnecting?.cancel()
    this.discard()
  }

  /** The connected client, or null while there is none. */
  get client(): RedisClient | null {
    return this.ready ? this.current : null
  }

  /** Something came from Redis: as good as an answer to a ping. */
  alive(): void {
    this.missed = 0
    this.failures = 0
  }

  /** Throws the connection away, which looks alive but is not, and makes a new one; `why` goes to the log. */
  replace(why: string): void {
    if (this.stopped) return
    const { role, logger } = this.options
    if (this.failures === 0) logger.warn({ role, why }, 'connection to Redis given up: making a new one')
    this.reconnect()
  }

  private reconnect(): void {
    this.discard()
    const delay = Math.min(RECONNECT_DELAY_MAX_MS, RECONNECT_DELAY_MIN_MS * 2 ** this.failures)
    if (delay < RECONNECT_DELAY_MAX_MS) this.failures++
    this.reconnecting?.cancel()
    this.reconnecting = this.options.clock.after(delay, () => this.connect())
  }

  private connect(): void {
    const client = this.options.create()
    // One client, one connection: left to itself it would connect again beside its successor.
    if (!client.isCluster) (client as Redis).options.retryStrategy = null
    this.current = client
    this.missed = 0
    client.on('ready', () => {
      if (this.current !== client || this.ready) return
      this.ready = true
      this.missed = 0
      this.options.up(client)
    })
    client.on('close', () => {
      if (this.current === client) this.reconnect()
    })
    client.on('end', () => {
      if (this.current === client) this.reconnect()
    })
    // Whoever made the client logs its errors; a lost connection is told by 'close'.
    client.on('error', () => undefined)
  }

  private discard(): void {
    const client = this.current
    const wasReady = this.ready
    this.current = null
    this.ready = false
    if (client !== null) {
      client.removeAllListeners('messageBuffer')
      client.removeAllListeners('smessageBuffer')
      client.disconnect()
    }
    if (wasReady) this.options.down()
  }

  private schedulePing(): void {
    this.pinging = this.options.clock.after(PING_INTERVAL_MS, () => {
      if (this.stopped) return
      this.ping()
      this.schedulePing()
    })
  }

  private ping(): void {
    const client = this.current
    // A cluster client asks any node and looks after its connections by itself.
    if (client === null || client.isCluster) return
    if (this.missed >= PINGS_MISSED_MAX) {
      this.replace('no answer')
      return
    }
    this.missed++
    if (!this.ready) return
    client.ping().then(
      () => {
        if (this.current === client) this.alive()
      },
      () => undefined, // told by 'close', or by the next pings
    )
  }
}
