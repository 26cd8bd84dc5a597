import { drainChannel } from '@wazo-websocketd/shared/redis/layout'
import type { RedisConnections } from '@wazo-websocketd/shared/redis/connections'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import type { Logger } from '@wazo-websocketd/shared/runtime/logger'
import { RateLimitedLog } from '@wazo-websocketd/shared/runtime/rate-limited-log'
import { decodeExpiryNotice, expiryNoticeChannel } from '../auth/expiry/notice.js'
import type { TokenWatcher } from '../auth/expiry/watcher.js'
import { decodeDrainNotice } from '../drain/drain-notice.js'
import type { Shutdown } from '../process/shutdown.js'

export interface NoticesOptions {
  /** `redis.prefix`. */
  readonly prefix: string
  /** Number of the database in Redis. */
  readonly database: number
  /** Whether sessions leave together with the others of their token (`drain.resume`). */
  readonly leaveTogether: boolean
  readonly connections: Pick<RedisConnections, 'subscribe'>
  readonly watcher: Pick<TokenWatcher, 'handleNotice'>
  readonly shutdown: Pick<Shutdown, 'onDrainNotice'>
  /** Counts a message that this program cannot read. */
  readonly unreadable: () => void
  readonly clock: Clock
  readonly log: Logger
}

/** Hears what other workers publish: that a token is due, and whose sessions a draining worker lets go. */
export class Notices {
  private readonly options: NoticesOptions
  private readonly warnings: RateLimitedLog

  constructor(options: NoticesOptions) {
    this.options = options
    this.warnings = new RateLimitedLog(options.log, options.clock)
  }

  /** Subscribes, for as long as the connections live. */
  start(): void {
    const { prefix, database, leaveTogether, connections } = this.options
    const due = expiryNoticeChannel(prefix, database)
    connections.subscribe(due, { message: (bytes) => this.onExpiryNotice(bytes) })
    const drains = drainChannel(prefix, database)
    if (leaveTogether) connections.subscribe(drains, { message: (bytes) => this.onDrainNotice(bytes) })
  }

  close(): void {
    this.warnings.close()
  }

  /** The cluster's timer is due for a token. */
  private onExpiryNotice(bytes: Uint8Array): void {
    const notice = decodeExpiryNotice(Buffer.from(bytes).toString())
    if (notice === null) this.unreadable('notice')
    else this.options.watcher.handleNotice(notice)
  }

  /** Another worker drains the sessions of a token. */
  private onDrainNotice(bytes: Uint8Array): void {
    const tokenHash = decodeDrainNotice(Buffer.from(bytes).toString())
    if (tokenHash === null) this.unreadable('call')
    else this.options.shutdown.onDrainNotice(tokenHash)
  }

  /** From a worker of another version: each worker knows by itself what it needs to, if later. */
  private unreadable(what: 'notice' | 'call'): void {
    this.options.unreadable()
    this.warnings.warn(what, { what }, 'message of another worker that this program cannot read')
  }
}
