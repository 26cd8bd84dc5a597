import type { Metrics } from '@wazo-websocketd/shared/runtime/metrics'

const FANOUT_BUCKETS = [0.00001, 0.00005, 0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1]

/** The rule that kept an event from a session, in the order in which they are checked: C4.4, C4.5, C4.1, C4.10. */
const FILTER_REASONS = ['tenant', 'user', 'name', 'acl'] as const
export type FilterReason = (typeof FILTER_REASONS)[number]

export type RouteMetrics = ReturnType<typeof routeMetrics>

/** What the router counts. Called a few times per event, never per delivery. */
export function routeMetrics(metrics: Metrics) {
  const received = metrics.counter({
    name: 'events_received_total',
    help: 'Events that came over the bus and were routed, once per worker.',
  })
  const filtered = metrics.counter({
    name: 'events_filtered_total',
    help: 'Started sessions that did not get an event, by the first rule that they fail.',
    labels: { reason: FILTER_REASONS },
  })
  const evaluations = metrics.counter({
    name: 'acl_evaluations_total',
    help: 'Decisions about an ACL that could not be shared or remembered.',
  })
  const fanout = metrics.histogram({
    name: 'fanout_duration_seconds',
    help: 'Time to route the events of one batch to their receivers.',
    buckets: FANOUT_BUCKETS,
  })
  return {
    /** An event was routed. One that is here only to end a session is not counted. */
    received: (): void => received.inc(),
    /**
     * The event was kept from `sessions`. Each indexed session that does not get an event counts once, under the
     * first rule that it fails; so delivered + filtered = indexed sessions, for every event. (A session that is
     * removed by another's delivery of the same event counts under `name`.)
     */
    filtered: (reason: FilterReason, sessions: number): void => filtered.inc({ reason }, sessions),
    /** `decisions` about ACLs could be neither shared nor remembered. */
    aclEvaluated: (decisions: number): void => evaluations.inc(decisions),
    /** One batch took so long from Redis to the sockets' buffers. */
    fanOutTook: (seconds: number): void => fanout.observe(seconds),
  }
}
