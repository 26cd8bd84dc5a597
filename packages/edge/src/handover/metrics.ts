import type { Metrics } from '@wazo-websocketd/shared/runtime/metrics'
import type { HandoverResult } from './sender.js'

export type HandoverMetrics = ReturnType<typeof handoverMetrics>

export function handoverMetrics(metrics: Metrics) {
  const handovers = metrics.counter({
    name: 'handover_total',
    help: 'Connections that a replaced worker passed to its successor (moved), or why it could not.',
    labelNames: ['result'],
  })
  // From 0 on, so that the first one shows as an increase.
  handovers.inc({ result: 'moved' }, 0)
  return { handedOver: (result: HandoverResult): void => handovers.inc({ result }) }
}
