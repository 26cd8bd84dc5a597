/** The program wazo-websocketd-ingest: reads the configuration, puts everything together, runs until a signal. */
import '@wazo-websocketd/shared/runtime/early-signals'
import { loadOrExit, readServiceOptions } from '@wazo-websocketd/shared/config/service-options'
import { busHosts, effectiveLogLevel } from '@wazo-websocketd/shared/config/derived'
import type { Config } from '@wazo-websocketd/shared/config/schema'
import { RedisFactory } from '@wazo-websocketd/shared/redis/client'
import { placeOf, type RedisPlace } from '@wazo-websocketd/shared/redis/errors'
import { redisDatabase } from '@wazo-websocketd/shared/redis/url'
import { startAdminServer } from '@wazo-websocketd/shared/runtime/admin-server'
import { systemClock } from '@wazo-websocketd/shared/runtime/clock'
import { runMain, runService, type Service } from '@wazo-websocketd/shared/runtime/lifecycle'
import { openLog, type Log } from '@wazo-websocketd/shared/runtime/logger'
import { Metrics } from '@wazo-websocketd/shared/runtime/metrics'
import { dropPrivileges } from '@wazo-websocketd/shared/runtime/privileges'
import { programVersion } from '@wazo-websocketd/shared/runtime/version'
import { readClientTls, type ClientTls } from '@wazo-websocketd/shared/runtime/tls'
import { assemble, type AssemblyOptions } from './assemble.js'
import { BrokerHosts } from './broker/hosts.js'
import { STREAM } from './broker/topology.js'
import { ingestMetrics, logMetrics } from './metrics.js'
import { ingestRoutes } from './status/report.js'
import { RedisConnection } from './publish/redis-connection.js'

const PROGRAM = 'wazo-websocketd-ingest'
const STOP_DEADLINE_MS = 10_000
const REDIS_TIMEOUTS = { callTimeoutMs: 3000, readyTimeoutMs: 5000, renewIntervalMs: 1000 }

/** Translates the configuration into the options of an ingest. */
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

function redisPlace({ redis }: Config): RedisPlace {
  const { url, cluster, sentinels, sentinel_name: sentinelName } = redis
  return { url, cluster, sentinels, sentinelName }
}

/** Read before privileges are dropped: root alone may be able to read the private keys of TLS. */
interface Settings {
  readonly options: AssemblyOptions
  readonly redisTls: ClientTls | null
}

/** Runs an ingest, with its admin port. */
class IngestService implements Service {
  readonly failed = new Promise<never>(() => undefined)
  private readonly config: Config
  private readonly settings: Settings
  private readonly log: Log
  private readonly stopping = new AbortController()
  private readonly closers: (() => Promise<void> | void)[] = []
  private running: Promise<void> | null = null

  constructor(config: Config, settings: Settings, log: Log) {
    this.config = config
    this.settings = settings
    this.log = log
  }

  async start(): Promise<void> {
    const { config } = this
    const log = this.log.logger
    const registry = new Metrics()
    logMetrics(registry, this.log.droppedLines)
    const metrics = ingestMetrics(registry)
    // A client that was replaced may report its end late, so that the connection is asked which one counts.
    let current: RedisConnection | null = null
    const factory = new RedisFactory({
      ...redisPlace(config),
      tls: this.settings.redisTls,
      logger: log,
      clock: systemClock,
      connected: () => current?.onChange(),
    })
    const create = () => factory.create('publisher', { failFast: true })
    const where = placeOf(redisPlace(config))
    const redis = (current = new RedisConnection({ ...REDIS_TIMEOUTS, where }, systemClock, create))
    redis.onChange = () => metrics.redisConnected(redis.connected)
    redis.onChange()
    this.closers.push(
      () => redis.stop(),
      () => factory.close(),
    )
    const { ingest, status, id } = assemble(this.settings.options, {
      redis,
      redisOutage: factory.outageLog,
      clock: systemClock,
      log,
      metrics,
    })
    const admin = await startAdminServer({
      host: config.metrics.listen,
      port: config.metrics.ingest_port,
      keys: 'metrics.listen and metrics.ingest_port',
      metrics: () => registry.exposition(),
      notReadyReasons: () => status.notReadyReasons(redis.connected),
      routes: ingestRoutes({
        ingest: id,
        version: programVersion(),
        uuid: config.uuid,
        status,
        redisConnected: () => redis.connected,
        brokerHost: () => this.settings.options.broker.hosts.current,
        snapshot: () => registry.snapshot(),
        startedAt: systemClock.now(),
      }),
    })
    this.closers.unshift(() => admin.close())
    this.running = ingest.run(this.stopping.signal)
  }

  async stop(): Promise<void> {
    this.stopping.abort()
    await this.running
    for (const close of this.closers) await close()
  }

  stopNow(): void {
    process.exit(0)
  }

  reload(): void {
    this.log.logger.info('SIGHUP: an ingest reads its configuration at its start only')
  }

  reopenLog(): void {
    this.log.reopen()
  }
}

async function main(): Promise<void> {
  const options = readServiceOptions(PROGRAM, process.argv.slice(2))
  const { config, warnings, notes } = loadOrExit(PROGRAM, options)
  const settings = { options: optionsOf(config), redisTls: readClientTls('redis.tls', config.redis.tls) }
  const privileges = dropPrivileges(config.user, config.log_file)
  const log = openLog({
    program: PROGRAM,
    level: effectiveLogLevel(config),
    logFile: config.log_file,
    format: config.log_format,
  })
  const { logger } = log
  for (const warning of warnings) logger.warn(warning)
  if (privileges.warning !== null) logger.warn(privileges.warning)
  for (const note of notes) logger.info(note)
  await runService(new IngestService(config, settings, log), {
    program: PROGRAM,
    logger,
    clock: systemClock,
    stopDeadlineMs: () => STOP_DEADLINE_MS,
  })
}

await runMain(PROGRAM, main)
