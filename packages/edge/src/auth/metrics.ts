import type { Metrics } from '@wazo-websocketd/shared/runtime/metrics'

/** How one request to wazo-auth ended, as `auth_requests_total{result}` names it. */
const REQUEST_RESULTS = [
  'valid',
  'invalid',
  'refused',
  'timeout',
  'network',
  'server-error',
  'garbage',
] as const
export type AuthRequestResult = (typeof REQUEST_RESULTS)[number]

/** Why a look-up was given up before wazo-auth was asked, as `auth_lookups_dropped_total{reason}` names it. */
const LOOKUP_DROP_REASONS = [
  /** Nobody waited for it any more. */
  'withdrawn',
  /** Its turn did not come within the deadline. */
  'late',
  /** Too many waited already. */
  'full',
  /** Too many tokens of the client's address were refused. */
  'address',
] as const
export type LookupDropReason = (typeof LOOKUP_DROP_REASONS)[number]

/** What happened to a job of the queue `token-expiry`, as `expiry_jobs_total{result}` names it. */
const JOB_RESULTS = [
  /** A worker gave it to Redis, which ignores a second one of the same token. */
  'added',
  /** Redis did not take it. */
  'refused',
  /** It was due: the workers have its notice. */
  're-check',
  'expired',
  /** It came too soon by wazo-auth's clock and was put back. */
  'early',
  /** It was no job of this program. */
  'invalid',
] as const
export type JobResult = (typeof JOB_RESULTS)[number]

const REQUEST_BUCKETS = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10]

/** What the auth side counts. */
export function authMetrics(metrics: Metrics) {
  const requests = metrics.counter({
    name: 'auth_requests_total',
    help: 'Requests to wazo-auth, by how they ended.',
    labels: { result: REQUEST_RESULTS },
  })
  const duration = metrics.histogram({
    name: 'auth_request_duration_seconds',
    help: 'Time that a request to wazo-auth took.',
    buckets: REQUEST_BUCKETS,
  })
  const coalesced = metrics.counter({
    name: 'auth_requests_coalesced_total',
    help: 'Questions about tokens that needed no request of their own.',
  })
  const dropped = metrics.counter({
    name: 'auth_lookups_dropped_total',
    help: 'Look-ups that were given up before wazo-auth was asked, by why.',
    labels: { reason: LOOKUP_DROP_REASONS },
  })
  const tracked = metrics.gauge({ name: 'tokens_tracked', help: 'Tokens of open sessions.' })
  const jobs = metrics.counter({
    name: 'expiry_jobs_total',
    help: 'Jobs of the queue of token expiry, by what became of them.',
    labels: { result: JOB_RESULTS },
  })
  return {
    /** One request to wazo-auth ended, after so many seconds. */
    requested(result: AuthRequestResult, seconds: number) {
      requests.inc({ result })
      duration.observe(seconds)
    },
    /** A question about a token was answered from the cache or by a request under way. */
    coalesced: () => coalesced.inc(),
    dropped: (reason: LookupDropReason) => dropped.inc({ reason }),
    /** Tokens of open sessions, of this worker. */
    tracked: (tokens: number) => tracked.set(tokens),
    jobs: (result: JobResult, count: number) => jobs.inc({ result }, count),
  }
}

export type AuthMetrics = ReturnType<typeof authMetrics>
