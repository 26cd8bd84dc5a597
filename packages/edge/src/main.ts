/**
 * The program wazo-websocketd-edge: the primary, which forks the workers and answers for them. It stays of the
 * version that it was started with when they are replaced, so it holds next to nothing: processes, their
 * metrics, the listening sockets that node:cluster keeps for them, and the admin port.
 */
import '@wazo-websocketd/shared/runtime/early-signals'
import { loadOrExit, readServiceOptions } from '@wazo-websocketd/shared/config/service-options'
import { systemClock } from '@wazo-websocketd/shared/runtime/clock'
import { effectiveLogLevel } from '@wazo-websocketd/shared/config/derived'
import type { Config } from '@wazo-websocketd/shared/config/schema'
import { runMain, runService } from '@wazo-websocketd/shared/runtime/lifecycle'
import { openLog, type Log } from '@wazo-websocketd/shared/runtime/logger'
import { Metrics } from '@wazo-websocketd/shared/runtime/metrics'
import { checkPort } from '@wazo-websocketd/shared/runtime/port-check'
import { dropPrivileges } from '@wazo-websocketd/shared/runtime/privileges'
import { programVersion } from '@wazo-websocketd/shared/runtime/version'
import { adminRoutes } from './admin/routes.js'
import { HostLog } from './process/host-log.js'
import { MetricStore } from './process/metric-store.js'
import { codeOnDisk } from './process/code-on-disk.js'
import type { Generation } from './process/generation.js'
import { loadGeneration } from './process/config-loader.js'
import { WorkerPool } from './process/pool.js'
import { PrimaryService } from './process/service.js'
import { HandoverRelay } from './handover/relay.js'
import { TenantRelay } from './process/tenant-relay.js'
import { Upgrades } from './process/upgrades.js'
import { clusterFork } from './process/worker-process.js'
import { logMetrics, poolMetrics, serviceMetrics, upgradeMetrics } from './process/metrics.js'
import { PROGRAM } from './config/program.js'
import { checkReload, generationOf, readPems } from './config/load.js'

/** Beyond `drain.delay` and `drain.timeout`, by when the pool has killed every worker. */
const STOP_MARGIN_MS = 10_000
/** A loaded machine may take half a minute to start a worker. */
const READY_MS_MAX = 60_000
const LOAD_MS_MAX = 30_000

/** @param upgraded - All workers are of this generation now. */
function primaryService(
  config: Config,
  started: Generation,
  upgraded: (generation: Generation) => void,
  log: Log,
): PrimaryService {
  const { logger } = log
  const args = process.argv.slice(2)
  const onDisk = codeOnDisk(import.meta.url, process.argv[1] ?? '')
  const metrics = new Metrics({ buildInfo: 'primary_build_info', worker: 'primary' })
  logMetrics(metrics, log.droppedLines)
  const store = new MetricStore()
  const fork = clusterFork(() => onDisk('worker'), args, systemClock)
  const tenants = new TenantRelay(systemClock)
  const hostLog = new HostLog(systemClock, logger)
  const pool = new WorkerPool({
    generation: started,
    fork: () => {
      const worker = fork()
      tenants.watch(worker)
      hostLog.watch(worker)
      return worker
    },
    relay: new HandoverRelay({
      clock: systemClock,
      moved: (from, to) => store.moved(from, to),
    }),
    store,
    readyMsMax: READY_MS_MAX,
    metrics: poolMetrics(metrics),
    clock: systemClock,
    logger,
  })
  const upgrades = new Upgrades({
    load: (signal) => loadGeneration({ module: onDisk('loader'), args, msMax: LOAD_MS_MAX, signal }),
    pool,
    started,
    upgraded,
    metrics: upgradeMetrics(metrics),
    clock: systemClock,
    logger,
  })
  return new PrimaryService({
    pool,
    upgrades,
    store,
    metrics,
    log,
    hostLog,
    adminHost: config.metrics.listen,
    adminPort: config.metrics.edge_port,
    adminSocket: config.admin.socket,
    routes: adminRoutes({ pool, upgrades, version: programVersion(), clock: systemClock }),
    checkPort: () =>
      checkPort(config.websocket.listen, config.websocket.port, 'websocket.listen or websocket.port'),
    ...serviceMetrics(metrics),
  })
}

async function main(): Promise<void> {
  const options = readServiceOptions(PROGRAM, process.argv.slice(2))
  const loaded = loadOrExit(PROGRAM, options)
  const { config, warnings, notes } = loaded
  let generation: Generation = generationOf(loaded, readPems(config))
  const privileges = dropPrivileges(config.user, config.log_file)
  if (privileges.user !== null) checkReload(options, privileges.user)
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
  const upgraded = (next: Generation): void => {
    generation = next
    logger.level = next.logLevel
  }
  await runService(primaryService(config, generation, upgraded, log), {
    program: PROGRAM,
    logger,
    clock: systemClock,
    stopDeadlineMs: () => generation.drain.delayMs + generation.drain.timeoutMs + STOP_MARGIN_MS,
  })
}

await runMain(PROGRAM, main)
