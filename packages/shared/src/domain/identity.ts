/** Identifiers that must not be mixed up, and who a session is. */

declare const brand: unique symbol
/** A wazo-auth token id that is safe to ask wazo-auth about. Secret: never logged, never stored. */
export type TokenId = string & { readonly [brand]: 'TokenId' }

const TOKEN_ID = /^[A-Za-z0-9._-]{1,128}$/

/**
 * The token id that `raw` spells, or null when it cannot be one (C6):
 * `.`, `..` and anything outside `[A-Za-z0-9._-]{1,128}` is refused without asking wazo-auth.
 */
export function parseTokenId(raw: string): TokenId | null {
  if (raw === '.' || raw === '..' || !TOKEN_ID.test(raw)) return null
  return raw as TokenId
}

/** What wazo-auth says about a valid token. */
export interface TokenDetails {
  readonly token: TokenId
  /** `session_uuid`: what `auth_session_deleted` names. */
  readonly sessionUuid: string
  /** `metadata.uuid`. */
  readonly userUuid: string
  /** `metadata.tenant_uuid`, or `NO_TENANT`. */
  readonly tenantUuid: string
  /** `metadata.admin` is true, or `metadata.purpose` is `external_api` or `internal`. */
  readonly admin: boolean
  readonly acl: readonly string[]
  /** `utc_expires_at`: milliseconds of Unix time by wazo-auth's clock. */
  readonly expiresAt: number
}

/** The tenant of tokens on an old Wazo that knows none (`bus.access_scope: acl`); nobody's master tenant. */
export const NO_TENANT = ''

/** Who a session is, as routing sees it: the token's details judged against the master tenant. */
export interface Identity {
  readonly sessionUuid: string
  readonly userUuid: string
  readonly tenantUuid: string
  /** Sees the events of every user of its tenant. Always true for a master session. */
  readonly admin: boolean
  /** Belongs to the master tenant: sees the events of every tenant. */
  readonly master: boolean
  readonly acl: readonly string[]
}

/** Judges a token against the master tenant (C4.3, C4.4). */
export function identify(details: TokenDetails, masterTenant: string): Identity {
  const master = details.tenantUuid === masterTenant && masterTenant !== NO_TENANT
  const { sessionUuid, userUuid, tenantUuid, acl } = details
  return { sessionUuid, userUuid, tenantUuid, acl, master, admin: master || details.admin }
}

/** wazo-auth's answer about a token. `unavailable` is never an answer about the token itself. */
export type Verdict =
  | { readonly kind: 'valid'; readonly details: TokenDetails }
  | { readonly kind: 'invalid' }
  | { readonly kind: 'oversized'; readonly limit: string }
  | { readonly kind: 'unavailable' }
