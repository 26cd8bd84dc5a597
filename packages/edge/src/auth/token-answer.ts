/** What wazo-auth answers about a token, checked field by field (C6). Pure. */
import { isRecord, isStrings, parseJson } from '@wazo-websocketd/shared/domain/guards'
import { NO_TENANT, type TokenDetails, type TokenId } from '@wazo-websocketd/shared/domain/identity'

const PURPOSES_OF_ADMINS: ReadonlySet<unknown> = new Set(['external_api', 'internal'])
const UTC = /^(\d{4})-(\d{2})-(\d{2})[T ](\d{2}):(\d{2}):(\d{2})(?:\.(\d+))?(?:Z|[+]00:00)?$/

/** The tenant and the end of life of a token that was created for this service. */
export interface ServiceToken {
  readonly tenantUuid: string
  /** Milliseconds of Unix time by wazo-auth's clock. */
  readonly expiresAt: number
}

/**
 * The details in the JSON text `body`, or null when it is anything but a complete answer.
 * @param tenantless whether an answer is complete without a tenant: an old Wazo knows none
 */
export function parseTokenAnswer(token: TokenId, body: string, tenantless: boolean): TokenDetails | null {
  const data = parseData(body)
  const metadata = data?.['metadata']
  if (data === undefined || !isRecord(metadata)) return null
  const { session_uuid: sessionUuid, acl, utc_expires_at: expiry } = data
  const { uuid: userUuid, purpose, admin } = metadata
  const tenantUuid = tenantOf(metadata, tenantless)
  const expiresAt = parseUtc(expiry)
  if (!isName(sessionUuid) || !isName(userUuid) || tenantUuid === null) return null
  if (!isStrings(acl) || expiresAt === null) return null
  return {
    token,
    sessionUuid,
    userUuid,
    tenantUuid,
    admin: admin === true || PURPOSES_OF_ADMINS.has(purpose),
    acl,
    expiresAt,
  }
}

/** Tenant and expiry in the answer to the creation of a token, or null when they are not in it. */
export function parseServiceToken(body: string, tenantless: boolean): ServiceToken | null {
  const data = parseData(body)
  const metadata = data?.['metadata']
  if (data === undefined || !isRecord(metadata)) return null
  const tenantUuid = tenantOf(metadata, tenantless)
  const expiresAt = parseUtc(data['utc_expires_at'])
  return tenantUuid !== null && expiresAt !== null ? { tenantUuid, expiresAt } : null
}

/**
 * Milliseconds of Unix time that `value` spells, or null. The time has no zone and means UTC; the
 * separator is `T` or a space, the fraction has any length and is cut to milliseconds.
 */
export function parseUtc(value: unknown): number | null {
  const match = typeof value === 'string' ? UTC.exec(value) : null
  if (match === null) return null
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1, 7).map(Number)
  const date = new Date(Date.UTC(year, month - 1, day, hour, minute, second))
  // 31 February would silently become some day in March.
  if (
    date.getUTCMonth() !== month - 1 ||
    date.getUTCDate() !== day ||
    hour > 23 ||
    minute > 59 ||
    second > 59
  )
    return null
  return date.getTime() + Number((match[7] ?? '').slice(0, 3).padEnd(3, '0'))
}

function tenantOf(
  { tenant_uuid: tenant }: Readonly<Record<string, unknown>>,
  tenantless: boolean,
): string | null {
  if (isName(tenant)) return tenant
  return tenantless && (tenant === undefined || tenant === null) ? NO_TENANT : null
}

function parseData(body: string): Readonly<Record<string, unknown>> | undefined {
  const answer = parseJson(body)
  const data = isRecord(answer) ? answer['data'] : undefined
  return isRecord(data) ? data : undefined
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}
