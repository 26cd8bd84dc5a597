export { logMetrics } from '@wazo-websocketd/shared/runtime/log-metrics'
import type { Metrics } from '@wazo-websocketd/shared/runtime/metrics'

/** Why a worker had to be started again, as `worker_restarts_total{reason}` names it. */
const RESTART_REASONS = ['exit', 'error', 'signal'] as const
export type RestartReason = (typeof RESTART_REASONS)[number]

/** How an upgrade ended, as `upgrades_total{result}` names it. */
const UPGRADE_RESULTS = ['success', 'failure'] as const
export type UpgradeResult = (typeof UPGRADE_RESULTS)[number]

/** What the primary counts of its workers. */
export function poolMetrics(metrics: Metrics) {
  const workers = metrics.gauge({ name: 'workers', help: 'Workers that run.' })
  const ready = metrics.gauge({ name: 'workers_ready', help: 'Workers that serve clients.' })
  const hanging = metrics.gauge({
    name: 'workers_hanging',
    help: 'Workers that have said nothing for five seconds: they hang, or their processor is taken.',
  })
  const restarts = metrics.counter({
    name: 'worker_restarts_total',
    help: 'Workers that ended unexpectedly and were started again, by how they ended.',
    labels: { reason: RESTART_REASONS },
  })
  return {
    workers: (running: number) => workers.set(running),
    /** Workers that serve, by their last report. */
    ready: (serving: number) => ready.set(serving),
    /** Workers that do not answer. */
    hanging: (silent: number) => hanging.set(silent),
    restarted: (reason: RestartReason) => restarts.inc({ reason }),
  }
}

export type PoolMetrics = ReturnType<typeof poolMetrics>

/** What the primary counts of itself. */
export function serviceMetrics(metrics: Metrics) {
  const draining = metrics.gauge({ name: 'draining', help: '1 while sessions are being moved away.' })
  /** Whether the program drains. */
  return { draining: (is: boolean) => draining.set(is ? 1 : 0) }
}

export type ServiceMetrics = ReturnType<typeof serviceMetrics>

/** What the primary counts of the replacements of its workers. */
export function upgradeMetrics(metrics: Metrics) {
  const underWay = metrics.gauge({
    name: 'upgrade_in_progress',
    help: '1 while workers are being replaced (SIGHUP).',
  })
  const upgrades = metrics.counter({
    name: 'upgrades_total',
    help: 'Replacements of all workers (SIGHUP), by how they ended.',
    labels: { result: UPGRADE_RESULTS },
  })
  const failed = metrics.gauge({
    name: 'upgrade_failed',
    help: '1 when the last replacement of the workers failed: some or all of them are what they were.',
  })
  underWay.set(0)
  failed.set(0)
  return {
    /** Whether workers are being replaced now. */
    upgrading: (is: boolean) => underWay.set(is ? 1 : 0),
    upgraded(result: UpgradeResult) {
      upgrades.inc({ result })
      failed.set(result === 'failure' ? 1 : 0)
    },
  }
}

export type UpgradeMetrics = ReturnType<typeof upgradeMetrics>
