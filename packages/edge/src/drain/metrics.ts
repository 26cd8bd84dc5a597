import type { Metrics } from '@wazo-websocketd/shared/runtime/metrics'

/**
 * What became of a session's place in the sequence, as `resume_tickets_total{result}` names it: `left` and `not-left`
 * at a drain; `resumed` at a start, and `outdated` when what the session missed cannot be read any more.
 */
const TICKET_RESULTS = ['left', 'not-left', 'resumed', 'outdated'] as const
export type TicketResult = (typeof TICKET_RESULTS)[number]

export type DrainMetrics = ReturnType<typeof drainMetrics>

export function drainMetrics(metrics: Metrics) {
  const tickets = metrics.counter({
    name: 'resume_tickets_total',
    help: 'Places in the sequence of events that drained sessions left for the next, or that were resumed.',
    labels: { result: TICKET_RESULTS },
  })
  return { tickets: (result: TicketResult, count: number): void => tickets.inc({ result }, count) }
}
