import type { TokenDetails } from '@wazo-websocketd/shared/domain/identity'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import { authTryMs, authUrl } from '@wazo-websocketd/shared/config/derived'
import type { Config } from '@wazo-websocketd/shared/config/schema'
import { digest } from '@wazo-websocketd/shared/runtime/digest'
import type { LineLog } from '@wazo-websocketd/shared/runtime/line-log'
import type { Logger } from '@wazo-websocketd/shared/runtime/logger'
import { parseNetwork } from '@wazo-websocketd/shared/runtime/network'
import { OutageLog } from '@wazo-websocketd/shared/runtime/outage-log'
import { RateLimitedLog } from '@wazo-websocketd/shared/runtime/rate-limited-log'
import type { RedisClient } from '@wazo-websocketd/shared/redis/client'
import { AuthClock } from './auth-clock.js'
import { AuthClient } from './client.js'
import { ExpiryQueue } from './expiry/queue.js'
import { FailingAddresses } from './failing-addresses.js'
import { Lookups } from './lookup.js'
import type { AuthMetrics } from './metrics.js'
import { MasterTenant, type TenantSharing } from './master-tenant.js'
import { dynamicRule, staticRule } from './expiry/recheck-rule.js'
import { ServiceTokenKeeper } from './service-token.js'
import { TokenWatcher } from './expiry/watcher.js'

export interface AuthOptions {
  readonly config: Config
  /** Workers of this host, which share its limit of requests to wazo-auth. */
  readonly workers: number
  /** A connection for the queue of token expiry, whose commands fail at once while Redis is away. */
  readonly redis: RedisClient
  readonly clock: Clock
  readonly logger: Logger
  /** For what all workers of the host say alike. */
  readonly hostLog: LineLog
  readonly metrics: AuthMetrics
  readonly sharing: TenantSharing
  /** The same, with what stands for equal parts of the tokens of many sessions (`SubscriptionIndex.intern`). */
  readonly intern: (details: TokenDetails) => TokenDetails
  /** How many clients were closed or turned away so far, in all: for the line that ends an outage. */
  readonly clients: () => number
  /** The master tenant has become known, or another one. */
  readonly masterTenantChanged: () => void
}

/**
 * Puts all parts of a worker together that deal with tokens: look-ups at wazo-auth, the watch over live ones, the
 * master tenant.
 */
export class Auth {
  readonly lookups: Lookups
  readonly watcher: TokenWatcher
  readonly clock: AuthClock
  private readonly log: RateLimitedLog
  private readonly outage: OutageLog
  private readonly client: AuthClient
  private readonly master: MasterTenant
  private readonly queue: ExpiryQueue

  /** @throws StartupError when the file of `auth.verify_certificate` cannot be read. */
  constructor(options: AuthOptions) {
    const { config, workers, redis, clock, logger, metrics, intern } = options
    const { auth, limits } = config
    const inFlightMax = Math.max(1, Math.floor(limits.auth_in_flight_per_host / workers))
    this.clock = new AuthClock(clock)
    this.log = new RateLimitedLog(logger, clock)
    this.outage = new OutageLog({
      over: 'wazo-auth answers again',
      clock,
      log: options.hostLog,
      clients: options.clients,
    })
    const { now: authTime, uncertainty, offset } = this.clock
    this.client = new AuthClient({
      url: authUrl(auth),
      verifyCertificate: auth.verify_certificate,
      tryMs: authTryMs(config),
      // One more, so that the service's own token never waits behind look-ups.
      connectionsMax: inFlightMax + 1,
      aclLimits: { patternsMax: limits.acl_patterns_per_token, patternBytesMax: limits.acl_pattern_bytes },
      tenantless: config.bus.access_scope === 'acl',
      intern: intern,
      clock,
      offset,
      metrics,
      outage: this.outage,
    })
    this.lookups = new Lookups({
      source: this.client,
      addresses: this.makeAddresses(options),
      clock,
      metrics,
      authTime,
      inFlightMax,
      waitingMax: limits.auth_waiting_lookups,
      totalMs: limits.auth_total_seconds * 1000,
    })
    this.queue = new ExpiryQueue({
      client: redis,
      prefix: config.redis.prefix,
      clock,
      authTime,
      liveJobs: () => this.watcher.jobs(),
      logger,
      metrics,
    })
    this.watcher = new TokenWatcher({
      add: (job) => this.queue.add(job),
      lookup: (token) => this.lookups.lookupFresh(token),
      rule:
        config.auth_check_strategy === 'dynamic'
          ? dynamicRule
          : staticRule(config.auth_check_static_interval * 1000),
      clock,
      authTime,
      uncertainty,
      log: logger,
      metrics,
    })
    this.master = this.makeMasterTenant(options)
  }

  get masterTenant(): string | undefined {
    return this.master.uuid
  }

  /** What keeps the worker from serving, in words; empty when the master tenant is known. */
  notReadyReasons(): readonly string[] {
    const missing = this.master.notReadyReason()
    return missing === null ? [] : [missing]
  }

  start(): void {
    this.master.start()
  }

  async stop(): Promise<void> {
    this.master.stop()
    this.log.close()
    this.outage.close()
    this.watcher.stop()
    this.queue.close()
    await this.client.close()
  }

  private makeAddresses({ config, workers, clock }: AuthOptions): FailingAddresses {
    const { limits, websocket } = config
    const perHost = limits.auth_refused_tokens_per_address_per_minute
    return new FailingAddresses({
      perMinute: perHost === null ? null : Math.max(1, perHost / workers),
      proxies: websocket.trusted_proxies.map(parseNetwork).filter((network) => network !== null),
      clock,
      slowed: (address) =>
        this.log.warn('slowed', { address }, 'address slowed down: wazo-auth refuses its tokens'),
    })
  }

  private makeMasterTenant({
    config,
    clock,
    logger,
    sharing,
    masterTenantChanged,
  }: AuthOptions): MasterTenant {
    const { client } = this
    const { auth } = config
    // The configuration is refused without them.
    const credentials = { username: auth.username ?? '', password: auth.password ?? '' }
    const keeper = new ServiceTokenKeeper({
      client,
      credentials,
      clock,
      authTime: this.clock.now,
      logger,
      created: (tenantUuid) => this.master.learned(tenantUuid),
    })
    return new MasterTenant({
      keeper,
      sharing,
      source: digest(JSON.stringify([authUrl(auth), credentials, config.bus.access_scope])),
      clock,
      logger,
      changed: masterTenantChanged,
      learnTime: () => void client.readTime(),
    })
  }
}
