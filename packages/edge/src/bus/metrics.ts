import type { Metrics } from '@wazo-websocketd/shared/runtime/metrics'

/** How a doubt about a partition's continuity ended. */
const RECOVERY_RESULTS = ['recovered', 'lost'] as const
type RecoveryResult = (typeof RECOVERY_RESULTS)[number]

/** What the reading side of the bus counts. */
export function busMetrics(metrics: Metrics) {
  const recoveries = metrics.counter({
    name: 'recovery_total',
    help: 'Times that continuity was in doubt, by how it ended.',
    labels: { result: RECOVERY_RESULTS },
  })
  const unreadable = metrics.counter({
    name: 'bus_unreadable_total',
    help: 'Messages on the bus of a version that this program does not read, or malformed.',
  })
  return {
    /** A partition's continuity was in doubt and has been proven from the log, or could not be. */
    recovery: (result: RecoveryResult) => recoveries.inc({ result }),
    /** This program cannot read a message. */
    unreadable: () => unreadable.inc(),
  }
}

export type BusMetrics = ReturnType<typeof busMetrics>
