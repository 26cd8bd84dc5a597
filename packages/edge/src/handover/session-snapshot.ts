/** A session as one worker passes it to another of the same host, which may be of a newer version. */
import { isRecord, isStrings } from '@wazo-websocketd/shared/domain/guards'
import { parseTokenId, type TokenDetails } from '@wazo-websocketd/shared/domain/identity'
import type { ProtocolVersion } from '@wazo-websocketd/shared/domain/protocol'
import type { Epoch, Positions } from '@wazo-websocketd/shared/domain/position'

/**
 * Another form gets another number (docs/adr/0010): a worker that does not know it refuses, and the session ends with
 * 1012.
 */
const FORM = 1
/** Of sessions with positions, which workers before them cannot go on with. */
const FORM_WITH_POSITIONS = 2

export interface SessionSnapshot {
  readonly version: ProtocolVersion
  readonly address: string
  /** The position that its client presented, empty for none; null: its events carry no positions. */
  readonly resume: string | null
  readonly details: TokenDetails
  readonly subscriptions: readonly string[]
  /** Up to where the session has been served; null: it has not started. */
  readonly positions: Positions | null
  /** How long it has lasted and how many events it was sent, for the log; 0 from a worker that does not say. */
  readonly seconds: number
  readonly events: number
}

/** As JSON. Holds the token: only for processes of the same host. */
export function encodeSnapshot({ positions, resume, ...rest }: SessionSnapshot): object {
  const rows = positions && [...positions].map(([partition, { epoch, offset }]) => [partition, epoch, offset])
  const form = resume === null ? { form: FORM } : { form: FORM_WITH_POSITIONS, resume }
  return { ...form, ...rest, positions: rows }
}

/** Null: not a snapshot of a form that is known here. */
export function parseSnapshot(value: unknown): SessionSnapshot | null {
  if (!isRecord(value)) return null
  const resume = resumeOf(value)
  if (resume === undefined) return null
  const { version, address, subscriptions } = value
  const details = detailsOf(value['details'])
  const positions = value['positions'] === null ? null : positionsOf(value['positions'])
  if ((version !== 1 && version !== 2) || typeof address !== 'string' || !isStrings(subscriptions))
    return null
  if (details === null || positions === undefined) return null
  const { seconds, events } = value
  return {
    ...{ version, address, resume, details, subscriptions, positions },
    ...{ seconds: countOf(seconds), events: countOf(events) },
  }
}

function countOf(value: unknown): number {
  return Number.isSafeInteger(value) && (value as number) > 0 ? (value as number) : 0
}

/** Undefined: the form is not known here. */
function resumeOf({ form, resume }: Record<string, unknown>): string | null | undefined {
  if (form === FORM) return null
  return form === FORM_WITH_POSITIONS && typeof resume === 'string' ? resume : undefined
}

function detailsOf(value: unknown): TokenDetails | null {
  if (!isRecord(value)) return null
  const { sessionUuid, userUuid, tenantUuid, admin, acl, expiresAt } = value
  const token = typeof value['token'] === 'string' ? parseTokenId(value['token']) : null
  if (token === null || typeof sessionUuid !== 'string' || typeof userUuid !== 'string') return null
  if (typeof tenantUuid !== 'string' || typeof admin !== 'boolean' || !isStrings(acl)) return null
  if (typeof expiresAt !== 'number') return null
  return { token, sessionUuid, userUuid, tenantUuid, admin, acl, expiresAt }
}

/** Undefined: not positions. */
function positionsOf(value: unknown): Positions | undefined {
  if (!Array.isArray(value)) return undefined
  const positions = new Map<number, { epoch: Epoch; offset: number }>()
  for (const entry of value as unknown[]) {
    if (!Array.isArray(entry)) return undefined
    const [partition, epoch, offset] = entry as unknown[]
    if (!Number.isSafeInteger(partition) || typeof epoch !== 'string' || !Number.isSafeInteger(offset))
      return undefined
    positions.set(partition as number, { epoch: epoch as Epoch, offset: offset as number })
  }
  return positions
}
