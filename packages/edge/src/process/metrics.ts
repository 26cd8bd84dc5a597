export { logMetrics } from '@wazo-websocketd/shared/runtime/log-metrics'
import type { Metrics } from '@wazo-websocketd/shared/runtime/metrics'

/** Why a worker had to be started again, as `worker_restarts_total{reason}` names it. */
export type RestartReason = 'exit' | 'error' | 'signal'

/** How an upgrade ended, as `upgrades_total{result}` names it. */
export type UpgradeResult = 'success' | 'failure'

/** What the primary counts of its workers. */
export function poolMetrics(metrics: Metrics) {
  const workers = metrics.gauge({ name: 'workers', help: 'Workers that run.' })
  const ready = metrics.gauge({ name: 'workers_ready', help: 'Workers that serve clients.' })
  const restarts = metrics.counter({
    name: 'worker_restarts_total',
    help: 'Workers that ended unexpectedly and were started again, by how they ended.',
    labelNames: ['reason'],
  })
  return {
    workers: (running: number) => workers.set(running),
    /** Workers that serve, by their last report. */
    ready: (serving: number) => ready.set(serving),
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
    labelNames: ['result'],
  })
  const failed = metrics.gauge({
    name: 'upgrade_failed',
    help: '1 when the last replacement of the workers failed: some or all of them are what they were.',
  })
  underWay.set(0)
  failed.set(0)
  // From 0 on, so that the first one shows as an increase.
  for (const result of ['success', 'failure'] as const) upgrades.inc({ result }, 0)
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
