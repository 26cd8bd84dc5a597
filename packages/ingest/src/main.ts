/** The program wazo-websocketd-ingest: reads the configuration, puts everything together, runs until a signal. */
import type { Logger } from 'pino'
import { loadOrExit, parseCommandLine } from '@wazo-websocketd/shared/config/command-line'
import { systemClock } from '@wazo-websocketd/shared/runtime/clock'
import { busHosts, effectiveLogLevel } from '@wazo-websocketd/shared/config/derived'
import { redisDatabase } from '@wazo-websocketd/shared/redis/url'
import type { Config } from '@wazo-websocketd/shared/config/schema'
import { startAdminServer, type AdminServer } from '@wazo-websocketd/shared/runtime/admin-server'
import { runMain, runService, type Service } from '@wazo-websocketd/shared/runtime/lifecycle'
import { createLogger } from '@wazo-websocketd/shared/runtime/logger'
import { Metrics } from '@wazo-websocketd/shared/runtime/metrics'
import { dropPrivileges } from '@wazo-websocketd/shared/runtime/privileges'
import { RedisFactory } from '@wazo-websocketd/shared/redis/client'
import { readClientTls, type ClientTls } from '@wazo-websocketd/shared/runtime/tls'
import { assemble, type AssemblyOptions } from './assemble.js'
import { BrokerHosts } from './broker/hosts.js'
import { RedisLink } from './publish/redis-link.js'
import { prometheusMetrics } from './prometheus.js'
import { STREAM } from './broker/topology.js'

const PROGRAM = 'wazo-websocketd-ingest'
const STOP_DEADLINE_MS = 10_000
const REDIS_CALL_TIMEOUT_MS = 3000
const REDIS_READY_TIMEOUT_MS = 5000
const REDIS_RENEW_INTERVAL_MS = 1000

/** What the configuration means to an ingest. */
function optionsOf({ bus, redis, uuid, limits }: Config): AssemblyOptions {
  return {
    broker: {
      hosts: new BrokerHosts(busHosts(bus)),
      tls: readClientTls('bus.tls', bus.tls),
      username: bus.username,
      password: bus.password,
      vhost: bus.vhost,
      heartbeat: bus.heartbeat,
    },
    topology: {
      stream: STREAM,
      exchange: bus.exchange_name,
      exchangeType: bus.exchange_type,
      legacyExchange: bus.legacy_exchange,
      replicas: bus.stream.replicas,
      maxAgeMs: bus.stream.max_age * 1000,
      maxBytes: bus.stream.max_bytes,
    },
    prefetch: bus.consumer_prefetch,
    prefix: redis.prefix,
    partitions: redis.partitions,
    database: redisDatabase(redis.url),
    sharded: redis.cluster !== null,
    historyMs: redis.history * 1000,
    historyBytes: redis.history_bytes,
    redisGraceMs: redis.lost_grace * 1000,
    origin: uuid,
    bodyBytesMax: limits.event_body_bytes,
  }
}

/** Made before privileges are dropped: the private keys of TLS may be readable by root alone. */
interface Settings {
  readonly options: AssemblyOptions
  readonly redisTls: ClientTls | null
}

class IngestService implements Service {
  readonly failed = new Promise<never>(() => undefined)
  private readonly config: Config
  private readonly settings: Settings
  private readonly log: Logger
  private readonly end = new AbortController()
  private readonly ends: (() => Promise<void> | void)[] = []
  private running: Promise<void> | null = null

  constructor(config: Config, settings: Settings, log: Logger) {
    this.config = config
    this.settings = settings
    this.log = log
  }

  async start(): Promise<void> {
    const { config, log } = this
    const registry = new Metrics()
    const metrics = prometheusMetrics(registry)
    // A client that was replaced may report its end late: only the one in use counts.
    let current: RedisLink | null = null
    const factory = new RedisFactory({
      url: config.redis.url,
      cluster: config.redis.cluster,
      sentinels: config.redis.sentinels,
      sentinelName: config.redis.sentinel_name,
      tls: this.settings.redisTls,
      logger: log,
      clock: systemClock,
      connected: () => current?.changed(),
    })
    const link = new RedisLink(
      {
        callTimeoutMs: REDIS_CALL_TIMEOUT_MS,
        readyTimeoutMs: REDIS_READY_TIMEOUT_MS,
        renewIntervalMs: REDIS_RENEW_INTERVAL_MS,
      },
      systemClock,
      () => factory.create('publisher', { failFast: true }),
    )
    link.changed = () => metrics.redisConnected(link.connected)
    current = link
    link.changed()
    this.ends.push(
      () => link.stop(),
      () => factory.close(),
    )
    const { ingest, status } = assemble(this.settings.options, {
      redis: link,
      clock: systemClock,
      log,
      metrics,
    })
    const notReadyReasons = (): string[] => {
      const found: string[] = []
      if (!status.brokerConnected) found.push('connection to RabbitMQ')
      if (!link.connected) found.push('connection to Redis')
      if (status.passive) found.push('another stream, partition count or form is in force')
      if (found.length === 0 && status.state !== 'up') found.push('the backlog of the stream')
      return found
    }
    const admin: AdminServer = await startAdminServer({
      host: config.metrics.listen,
      port: config.metrics.ingest_port,
      keys: 'metrics.listen and metrics.ingest_port',
      metrics: () => registry.exposition(),
      notReadyReasons,
    })
    this.ends.unshift(() => admin.close())
    this.running = ingest.run(this.end.signal)
  }

  async stop(): Promise<void> {
    this.end.abort()
    await this.running
    for (const end of this.ends) await end()
  }

  stopNow(): void {
    process.exit(0)
  }

  reload(): void {
    this.log.info('SIGHUP: an ingest reads its configuration at its start only')
  }
}

async function main(): Promise<void> {
  const commandLine = parseCommandLine(PROGRAM, process.argv.slice(2))
  const { config, warnings, notes } = loadOrExit(PROGRAM, commandLine)
  const settings = { options: optionsOf(config), redisTls: readClientTls('redis.tls', config.redis.tls) }
  dropPrivileges(config.user, config.log_file)
  const log = createLogger({ program: PROGRAM, level: effectiveLogLevel(config), logFile: config.log_file })
  for (const warning of warnings) log.warn(warning)
  for (const note of notes) log.info(note)
  await runService(new IngestService(config, settings, log), {
    program: PROGRAM,
    logger: log,
    clock: systemClock,
    stopDeadlineMs: () => STOP_DEADLINE_MS,
  })
}

await runMain(PROGRAM, main)
