/** The program wazo-websocketd-edge: the primary, which forks the workers and answers for them. */
import { loadOrExit, parseCommandLine } from '@wazo-websocketd/shared/runtime/cli'
import { systemClock } from '@wazo-websocketd/shared/runtime/clock'
import { effectiveLogLevel, workerCount } from '@wazo-websocketd/shared/runtime/config/derived'
import type { Config } from '@wazo-websocketd/shared/runtime/config/schema'
import { runMain, runService } from '@wazo-websocketd/shared/runtime/lifecycle'
import { createLogger, type Logger } from '@wazo-websocketd/shared/runtime/logger'
import { Metrics } from '@wazo-websocketd/shared/runtime/metrics'
import { dropPrivileges } from '@wazo-websocketd/shared/runtime/privileges'
import { RedisFactory } from '@wazo-websocketd/shared/runtime/redis'
import { ExpiryWorker } from './auth/expiry-worker.js'
import { MetricStore } from './cluster/aggregate.js'
import { WorkerPool } from './cluster/pool.js'
import { PrimaryService } from './cluster/service.js'
import { clusterFork, workerModule } from './cluster/worker-process.js'
import { primaryMetrics } from './prometheus.js'
import type { WorkerSetup } from './setup.js'
import { readTlsFiles, type TlsPem } from './tls.js'

const PROGRAM = 'wazo-websocketd-edge'
/** Beyond `drain.timeout`, by when the pool has killed every worker. */
const STOP_MARGIN_MS = 10_000
const EXPIRY_CONNECTION = 'expiry-worker'
/** Above the 10 s for which BullMQ lets Redis wait for a job before it answers. */
const EXPIRY_SILENT_MS_MAX = 12_000

function primaryService(config: Config, logger: Logger, tls: TlsPem | null): PrimaryService {
  const workers = workerCount(config)
  const setup: Omit<WorkerSetup, 'slot'> = { config, workers, tls }
  const metrics = new Metrics()
  const counts = primaryMetrics(metrics)
  const store = new MetricStore()
  let authAheadMs = 0
  const pool = new WorkerPool({
    size: workers,
    fork: clusterFork(workerModule(import.meta.url, 'worker')),
    setup: (slot): WorkerSetup => ({ ...setup, slot }),
    drainRatePerSecond: config.drain.rate,
    drainTimeoutMs: config.drain.timeout * 1000,
    store,
    authAhead: (ms) => (authAheadMs = ms),
    metrics: counts,
    clock: systemClock,
    logger,
  })
  const redis = new RedisFactory({
    url: config.redis.url,
    cluster: config.redis.cluster,
    logger,
    clock: systemClock,
    connected: (role, up) => counts.connected(role, up),
  })
  const timers = new ExpiryWorker({
    client: redis.create(EXPIRY_CONNECTION, { silentMsMax: EXPIRY_SILENT_MS_MAX }),
    prefix: config.redis.prefix,
    clock: systemClock,
    authTime: () => systemClock.now() + authAheadMs,
    logger,
    metrics: counts,
  })
  return new PrimaryService({
    pool,
    timers,
    store,
    metrics,
    logger,
    adminHost: config.metrics.listen,
    adminPort: config.metrics.edge_port,
    draining: (is) => counts.draining(is),
  })
}

async function main(): Promise<void> {
  const { config, warnings, notes } = loadOrExit(PROGRAM, parseCommandLine(PROGRAM, process.argv.slice(2)))
  // The certificate's key is often readable by root alone: it is read before the privileges go.
  const tls = readTlsFiles(config.websocket)
  dropPrivileges(config.user, config.log_file)
  const logger = createLogger({
    program: PROGRAM,
    level: effectiveLogLevel(config),
    logFile: config.log_file,
  })
  for (const warning of warnings) logger.warn(warning)
  for (const note of notes) logger.info(note)
  await runService(primaryService(config, logger, tls), {
    program: PROGRAM,
    logger,
    clock: systemClock,
    stopDeadlineMs: config.drain.timeout * 1000 + STOP_MARGIN_MS,
  })
}

await runMain(PROGRAM, main)
