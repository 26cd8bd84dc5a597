import type { Metrics } from '@wazo-websocketd/shared/runtime/metrics'

/**
 * What became of a session's place in the sequence, as `resume_tickets_total{result}` names it: `left` and `not-left`
 * at a drain; `resumed` at a start, and `outdated` when what the session missed cannot be read any more.
 */
export type TicketResult = 'left' | 'not-left' | 'resumed' | 'outdated'

export type DrainMetrics = ReturnType<typeof drainMetrics>

export function drainMetrics(metrics: Metrics) {
  const tickets = metrics.counter({
    name: 'resume_tickets_total',
    help: 'Places in the sequence of events that drained sessions left for the next, or that were resumed.',
    labelNames: ['result'],
  })
  // From 0 on, so that the first one shows as an increase.
  for (const result of ['left', 'not-left', 'resumed', 'outdated'] as const) tickets.inc({ result }, 0)
  return { tickets: (result: TicketResult, count: number): void => tickets.inc({ result }, count) }
}
