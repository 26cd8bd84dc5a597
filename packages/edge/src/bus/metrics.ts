import type { Metrics } from '@wazo-websocketd/shared/runtime/metrics'

/** What the reading side of the bus counts. */
export function busMetrics(metrics: Metrics) {
  const recoveries = metrics.counter({
    name: 'recovery_total',
    help: 'Times that continuity was in doubt, by how it ended.',
    labelNames: ['result'],
  })
  const unreadable = metrics.counter({
    name: 'bus_unreadable_total',
    help: 'Messages on the bus of a version that this program does not read, or malformed.',
  })
  // From 0 on, so that the first one shows as an increase.
  for (const result of ['recovered', 'lost'] as const) recoveries.inc({ result }, 0)
  return {
    /** A partition's continuity was in doubt and has been proven from the log, or could not be. */
    recovery: (result: 'recovered' | 'lost') => recoveries.inc({ result }),
    /** This program cannot read a message. */
    unreadable: () => unreadable.inc(),
  }
}

export type BusMetrics = ReturnType<typeof busMetrics>
