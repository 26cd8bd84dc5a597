/** How one request to wazo-auth ended, as `auth_requests_total{result}` names it. */
export type AuthRequestResult =
  'valid' | 'invalid' | 'refused' | 'timeout' | 'network' | 'server-error' | 'garbage'

/** What the auth side counts. */
export interface AuthMetrics {
  /** One request to wazo-auth ended, after so many seconds. */
  requested(result: AuthRequestResult, seconds: number): void
  /** A question about a token was answered from the cache or by a request already under way. */
  coalesced(): void
  /** Tokens of open sessions, of this worker. */
  tracked(tokens: number): void
}
