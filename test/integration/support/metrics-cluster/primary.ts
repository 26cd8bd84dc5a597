/** A primary with real workers, as the edge's main has it, without the edge's work. */
import { HandoverRelay } from '@wazo-websocketd/edge/handover/relay'
import { MetricStore } from '@wazo-websocketd/edge/process/metric-store'
import { codeOnDisk } from '@wazo-websocketd/edge/process/code-on-disk'
import type { Generation } from '@wazo-websocketd/edge/process/generation'
import { poolMetrics } from '@wazo-websocketd/edge/process/metrics'
import { WorkerPool } from '@wazo-websocketd/edge/process/pool'
import { PrimaryService } from '@wazo-websocketd/edge/process/service'
import { Upgrades } from '@wazo-websocketd/edge/process/upgrades'
import { clusterFork } from '@wazo-websocketd/edge/process/worker-process'
import { systemClock } from '@wazo-websocketd/shared/runtime/clock'
import { runMain, runService } from '@wazo-websocketd/shared/runtime/lifecycle'
import { openLog } from '@wazo-websocketd/shared/runtime/logger'
import { Metrics } from '@wazo-websocketd/shared/runtime/metrics'

const [adminPort, servicePort, size, drainTimeoutMs] = process.argv.slice(2).map(Number)

await runMain('primary', async () => {
  const log = openLog({ program: 'primary', level: 'info', logFile: null })
  const { logger } = log
  const metrics = new Metrics({ worker: 'primary' })
  const draining = metrics.gauge({ name: 'draining', help: 'Draining.' })
  const store = new MetricStore()
  const onDisk = codeOnDisk(import.meta.url, process.argv[1]!)
  const generation: Generation = {
    version: '1',
    workers: size!,
    drain: { ratePerSecond: 200, timeoutMs: drainTimeoutMs!, delayMs: 0 },
    logLevel: 'info',
    remarks: [],
    restartOnly: {},
    setup: { port: servicePort },
  }
  const pool = new WorkerPool({
    generation,
    fork: clusterFork(() => onDisk('worker'), [], systemClock),
    relay: new HandoverRelay({ clock: systemClock }),
    store,
    readyMsMax: 40_000,
    metrics: poolMetrics(metrics),
    clock: systemClock,
    logger,
  })
  await runService(
    new PrimaryService({
      pool,
      upgrades: new Upgrades({
        load: () => Promise.resolve(generation),
        pool,
        started: generation,
        upgraded: () => undefined,
        metrics: { upgrading: () => undefined, upgraded: () => undefined },
        clock: systemClock,
        logger,
      }),
      store,
      metrics,
      log,
      hostLog: { close: () => undefined },
      adminHost: '127.0.0.1',
      adminPort: adminPort!,
      adminSocket: null,
      routes: new Map(),
      checkPort: () => Promise.resolve(),
      draining: (now) => draining.set(now ? 1 : 0),
    }),
    { program: 'primary', logger, clock: systemClock, stopDeadlineMs: () => 20_000 },
  )
})
