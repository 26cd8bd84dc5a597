import type { TokenId, Verdict } from '@wazo-websocketd/shared/domain/identity'
import type { Connection } from './connection.js'
import type { ConnectionTable } from './connection-table.js'

/** What a verdict of wazo-auth is weighed against. */
export interface AdmissionContext {
  readonly connections: ConnectionTable
  readonly masterTenant: () => string | undefined
}

/**
 * The verdict that counts for `connection`. wazo-auth may have answered before a revocation that this worker
 * has heard of since; rights cannot be told while the master tenant is unknown; and a token or user may
 * have as many connections as the limits allow.
 */
export function admitVerdict(
  verdict: Verdict,
  connection: Connection,
  token: TokenId,
  bench: AdmissionContext,
): Verdict {
  if (verdict.kind !== 'valid') return verdict
  const { sessionUuid, userUuid } = verdict.details
  if (bench.connections.isRevoked(sessionUuid)) return { kind: 'invalid' }
  if (bench.masterTenant() === undefined) return { kind: 'unavailable' }
  if (token !== connection.token && bench.connections.tokenIsFull(token))
    return { kind: 'oversized', limit: 'too many connections per token' }
  if (userUuid !== connection.owner?.userUuid && bench.connections.userIsFull(userUuid))
    return { kind: 'oversized', limit: 'too many connections per user' }
  return verdict
}
