/** The program wazo-websocketd-edge: the primary, which forks the workers and answers for them. */
import { loadOrExit, parseCommandLine } from '@wazo-websocketd/shared/runtime/cli'
import { systemClock } from '@wazo-websocketd/shared/runtime/clock'
import { effectiveLogLevel, workerCount } from '@wazo-websocketd/shared/runtime/config/derived'
import type { Config } from '@wazo-websocketd/shared/runtime/config/schema'
import { runMain, runService } from '@wazo-websocketd/shared/runtime/lifecycle'
import { createLogger, type Logger } from '@wazo-websocketd/shared/runtime/logger'
import { Metrics } from '@wazo-websocketd/shared/runtime/metrics'
import { dropPrivileges } from '@wazo-websocketd/shared/runtime/privileges'
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

function primaryService(config: Config, logger: Logger, tls: TlsPem | null): PrimaryService {
  const workers = workerCount(config)
  const setup: Omit<WorkerSetup, 'slot'> = { config, workers, tls }
  const metrics = new Metrics()
  const counts = primaryMetrics(metrics)
  const store = new MetricStore()
  const pool = new WorkerPool({
    size: workers,
    fork: clusterFork(workerModule(import.meta.url, 'worker')),
    setup: (slot): WorkerSetup => ({ ...setup, slot }),
    drainRatePerSecond: config.drain.rate,
    drainTimeoutMs: config.drain.timeout * 1000,
    store,
    metrics: counts,
    clock: systemClock,
    logger,
  })
  return new PrimaryService({
    pool,
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
