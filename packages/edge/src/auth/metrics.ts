/** How one request to wazo-auth ended, as `auth_requests_total{result}` names it. */
export type AuthRequestResult =
  'valid' | 'invalid' | 'refused' | 'timeout' | 'network' | 'server-error' | 'garbage'

/** What became of a job of the queue `token-expiry`, as `expiry_jobs_total{result}` names it. */
export type JobResult =
  /** A worker gave it to Redis, which ignores a second one of the same token. */
  | 'added'
  /** Redis did not take it. */
  | 'refused'
  /** It was due, and the workers were told so. */
  | 're-check'
  | 'expired'
  /** It came too soon by wazo-auth's clock and was put back. */
  | 'early'
  /** It was none of ours. */
  | 'invalid'

/** What the auth side counts. */
export interface AuthMetrics {
  /** One request to wazo-auth ended, after so many seconds. */
  requested(result: AuthRequestResult, seconds: number): void
  /** A question about a token was answered from the cache or by a request already under way. */
  coalesced(): void
  /** Tokens of open sessions, of this worker. */
  tracked(tokens: number): void
  jobs(result: JobResult, jobs: number): void
}
