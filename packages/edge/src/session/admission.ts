/**
 * Decides who is let in: at the upgrade, after wazo-auth has answered, and when another worker passes a session on.
 */
import {
  AUTHENTICATION_FAILED,
  TRY_AGAIN_LATER,
  limitExceeded,
  type Close,
} from '@wazo-websocketd/shared/domain/close'
import { identify, parseTokenId, type TokenId, type Verdict } from '@wazo-websocketd/shared/domain/identity'
import type { SessionSnapshot } from '../handover/session-snapshot.js'
import { accept } from './accept.js'
import type { Connection, ConnectionOrigin } from './connection.js'
import type { SessionContext } from './context.js'
import { partitionsFor } from './partitions.js'
import type { RejectReason } from './metrics.js'
import type { UpgradeRequest } from './ports.js'

/** Of a position in one partition (PROTOCOL.md, "Positions"). */
const POSITION_CHARACTERS_MAX = 64
/** There may have been more partitions when it was given out: then the answer is `other epoch`. */
const PARTITIONS_BEFORE = 16
/** Presented by a client, it is answered with `unknown`. */
const NO_POSITION = '-'

/** A connection that is let in, or why its client is turned away. */
export type Admission = ConnectionOrigin | { readonly close: Close; readonly reason: RejectReason }

/** The checks before wazo-auth is asked, in the order of PROTOCOL.md (C1.13, C1.14, C1.15, C6.3). */
export function admitUpgrade(request: UpgradeRequest, context: SessionContext): Admission {
  const { connections } = context
  const accepted = accept(request)
  if ('close' in accepted) return accepted
  const { version, token: raw, resume } = accepted
  const { address } = request
  if (!isReady(context)) return { close: TRY_AGAIN_LATER, reason: 'not-ready' }
  if (connections.workerIsFull()) return { close: TRY_AGAIN_LATER, reason: 'worker-full' }
  if (connections.tokenIsFull(raw))
    return { close: limitExceeded('too many connections per token'), reason: 'token-limit' }
  if (connections.addressIsFull(address))
    return { close: limitExceeded('too many connections per address'), reason: 'ip-limit' }
  const token = parseTokenId(raw)
  if (token === null) return { close: AUTHENTICATION_FAILED, reason: 'token-format' }
  return { version, token, address, resume: resume === null ? null : boundedPosition(resume, context) }
}

/** A session keeps what its client presents: no more than can be a position here. */
function boundedPosition(presented: string, { partitions }: SessionContext): string {
  const charactersMax = POSITION_CHARACTERS_MAX * Math.max(partitions, PARTITIONS_BEFORE)
  return presented.length <= charactersMax ? presented : NO_POSITION
}

/**
 * The verdict that counts for `connection`, of which wazo-auth was asked about `token`. wazo-auth may have answered
 * before a revocation that this worker has heard of since; rights cannot be judged while the master tenant is unknown;
 * and a token or user may have as many connections as the limits allow.
 */
export function admitVerdict(
  verdict: Verdict,
  connection: Connection,
  token: TokenId,
  { connections, masterTenant }: SessionContext,
): Verdict {
  if (verdict.kind !== 'valid') return verdict
  const { sessionUuid, userUuid } = verdict.details
  if (connections.isRevoked(sessionUuid)) return { kind: 'invalid' }
  if (masterTenant() === undefined) return { kind: 'unavailable' }
  if (token !== connection.token && connections.tokenIsFull(token))
    return { kind: 'oversized', limit: 'too many connections per token' }
  if (userUuid !== connection.owner?.userUuid && connections.userIsFull(userUuid))
    return { kind: 'oversized', limit: 'too many connections per user' }
  return verdict
}

/** Whether a session that another worker passes on can go on here. */
export function admitSnapshot(snapshot: SessionSnapshot, context: SessionContext): boolean {
  return isReady(context) && !context.connections.workerIsFull() && positionsMatch(snapshot, context)
}

function isReady({ notReadyReasons, masterTenant }: SessionContext): boolean {
  return notReadyReasons().length === 0 && masterTenant() !== undefined
}

/**
 * Whether the session's positions are of the numbering in force here. After a change of `redis.url`, `redis.prefix`,
 * `redis.partitions` or `bus.access_scope` they may be of another. Then the session ends at its own worker, with 1012
 * and paced, rather than here with 1011 and all at once.
 */
function positionsMatch({ details, positions }: SessionSnapshot, context: SessionContext): boolean {
  const master = context.masterTenant()
  if (positions === null || master === undefined) return true
  const { bus } = context
  return partitionsFor(identify(details, master), context).every((partition) => {
    const from = positions.get(partition)
    // All partitions are of one epoch: one that this worker does not follow yet is judged by 0, which it always does.
    const here = bus.cursor(partition) ?? bus.cursor(0)
    return from !== undefined && (here === null || here.epoch === from.epoch)
  })
}
