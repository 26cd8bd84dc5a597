import { RecentLosses } from '../admin/recent-losses.js'
import type { Auth } from '../auth/auth.js'
import { RedisBus } from '../bus/bus.js'
import { sessionLimits } from '../config/limits.js'
import { FanOut } from '../deliver/fan-out.js'
import { RedisTickets } from '../drain/redis-tickets.js'
import { Router } from '../route/router.js'
import { Sessions } from '../session/sessions.js'
import type { WorkerContext } from './context.js'
import type { WorkerRedis } from './redis.js'

export interface ServingOptions {
  readonly context: WorkerContext
  readonly redis: WorkerRedis
  readonly auth: Auth
  /** What keeps clients from being let in, in words. */
  readonly refusals: () => readonly string[]
  /** The bus has become ready or is not any more. */
  readonly readinessChanged: () => void
}

/** Of the soft limit: a session that catches up with the bus stays well below it, whatever a page of the log holds. */
const REPLAY_BUFFER_SHARE = 4

/** Takes events from the bus to the sessions that may see them: constructs bus, router, sessions and tickets. */
export class Serving {
  readonly bus: RedisBus
  readonly sessions: Sessions
  /** null: `drain.resume` is off. */
  readonly tickets: RedisTickets | null
  readonly losses = new RecentLosses()
  private readonly options: ServingOptions
  private readonly router: Router
  private readonly fanOut: FanOut

  constructor(options: ServingOptions) {
    const { context, auth } = options
    this.options = options
    this.router = new Router({
      index: context.index,
      accessScope: context.setup.config.bus.access_scope,
      metrics: context.counts.route,
    })
    this.bus = this.makeBus()
    this.tickets = this.makeTickets()
    this.sessions = this.makeSessions()
    this.fanOut = new FanOut({
      router: this.router,
      verdicts: auth.lookups,
      sessions: this.sessions,
      clock: context.clock,
      metrics: context.counts.route,
    })
  }

  private makeBus(): RedisBus {
    const { context, redis, readinessChanged } = this.options
    const { setup, database, clock, log, hostLog, counts, sessionLog } = context
    const { config } = setup
    return new RedisBus({
      prefix: config.redis.prefix,
      database,
      partitions: config.redis.partitions,
      lostGraceMs: config.bus.lost_grace * 1000,
      silenceGraceMs: config.bus.silence_grace * 1000,
      redisLostGraceMs: config.redis.lost_grace * 1000,
      connections: redis.bus,
      clock,
      logger: log,
      hostLog,
      metrics: counts.bus,
      clients: sessionLog.unserved,
      listener: {
        events: (partition, events) => this.fanOut.deliver(partition, events),
        lost: (partition, why) => this.lost(partition, why),
        readinessChanged,
      },
    })
  }

  /** What was missed may have been the end of a token: sessions go, and nothing remembered of tokens counts. */
  private lost(partition: number, why: string): void {
    const { auth, context } = this.options
    auth.lookups.forgetAll()
    this.losses.add(partition, why, this.sessions.lost(partition, why), context.clock.now())
  }

  private makeTickets(): RedisTickets | null {
    const { setup, database, clock, log } = this.options.context
    const { drain, redis } = setup.config
    if (!drain.resume) return null
    return new RedisTickets({
      prefix: redis.prefix,
      database,
      historyMs: redis.history * 1000,
      client: () => this.options.redis.expiry,
      clock,
      logger: log,
    })
  }

  private makeSessions(): Sessions {
    const { context, auth, refusals } = this.options
    const { setup, index, room, frameBytes, clock, hostLog, counts, sessionLog } = context
    const { config } = setup
    return new Sessions({
      authenticator: auth.lookups,
      watch: auth.watcher,
      tickets: this.tickets,
      bus: this.bus,
      index,
      permission: this.router,
      partitions: config.redis.partitions,
      everyTenant: config.bus.access_scope === 'acl',
      intern: index.intern,
      limits: sessionLimits(config, room),
      resumeSeconds: config.redis.history,
      replayBufferBytes: config.limits.send_buffer_soft_bytes / REPLAY_BUFFER_SHARE,
      renewalDeadline: config.limits.auth_total_seconds * 1000,
      masterTenant: () => auth.masterTenant,
      notReadyReasons: refusals,
      defer: (task) => process.nextTick(task),
      frameBytes,
      clock,
      hostLog,
      metrics: counts.session,
      sessionLog,
    })
  }
}
