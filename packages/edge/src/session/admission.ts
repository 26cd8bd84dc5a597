import type { TokenId, Verdict } from '@wazo-websocketd/shared/domain/identity'
import type { Member, Roster } from './connection-table.js'

/** What a verdict of wazo-auth is weighed against. */
export interface Bench {
  readonly roster: Roster
  readonly masterTenant: () => string | undefined
}

/**
 * The verdict that counts for `member`. wazo-auth may have answered before a revocation that this worker
 * has heard of since; rights cannot be told while the master tenant is unknown; and a token or user may
 * have as many connections as the limits allow.
 */
export function judge(verdict: Verdict, member: Member, token: TokenId, bench: Bench): Verdict {
  if (verdict.kind !== 'valid') return verdict
  const { sessionUuid, userUuid } = verdict.details
  if (bench.roster.isRevoked(sessionUuid)) return { kind: 'invalid' }
  if (bench.masterTenant() === undefined) return { kind: 'unavailable' }
  if (token !== member.token && bench.roster.tokenIsFull(token))
    return { kind: 'oversized', limit: 'too many connections per token' }
  if (userUuid !== member.owner?.userUuid && bench.roster.userIsFull(userUuid))
    return { kind: 'oversized', limit: 'too many connections per user' }
  return verdict
}
