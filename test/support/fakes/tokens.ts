import type { AuthMetrics } from '@wazo-websocketd/edge/auth/metrics'
import type { TokenDetails, TokenId } from '@wazo-websocketd/shared/domain/identity'

export function details(token: string, more: Partial<TokenDetails> = {}): TokenDetails {
  return {
    token: token as TokenId,
    sessionUuid: `session of ${token}`,
    userUuid: 'user',
    tenantUuid: 'tenant',
    admin: false,
    acl: ['websocketd'],
    expiresAt: 0,
    ...more,
  }
}

/** Counts what the auth side counts. */
export class Counts implements AuthMetrics {
  readonly requests: string[] = []
  /** Why look-ups were given up before wazo-auth was asked. */
  readonly drops: string[] = []
  shared = 0
  tokens = 0
  /** Jobs of the expiry queue, by what became of them. */
  readonly ofQueue: Record<string, number> = {}

  requested(result: string): void {
    this.requests.push(result)
  }

  dropped(reason: string): void {
    this.drops.push(reason)
  }

  coalesced(): void {
    this.shared++
  }

  tracked(tokens: number): void {
    this.tokens = tokens
  }

  jobs(result: string, jobs: number): void {
    this.ofQueue[result] = (this.ofQueue[result] ?? 0) + jobs
  }
}
