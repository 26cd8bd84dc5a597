import type { Metrics } from '@wazo-websocketd/shared/runtime/metrics'
import { HANDOVER_RESULTS, type HandoverResult } from './result.js'

export function handoverMetrics(metrics: Metrics) {
  const handovers = metrics.counter({
    name: 'handover_total',
    help: 'Connections that a replaced worker passed to its successor (moved), or why it could not.',
    labels: { result: HANDOVER_RESULTS },
  })
  return { handedOver: (result: HandoverResult): void => handovers.inc({ result }) }
}
