/** The tokens of the stand-in wazo-auth, as PROTOCOL.md describes them (C6). */
import { randomUUID } from 'node:crypto'

export const DEFAULT_TENANT = '2c34c282-433e-4bb8-8d56-fec14ff7e1e9'
const DEFAULT_ACL = ['websocketd', 'event.#', 'events.#']
const DEFAULT_LIFE_MS = 7_200_000

/**
 * @typedef {object} Mint
 * @property {string} [user] metadata.uuid
 * @property {string} [tenant] metadata.tenant_uuid
 * @property {readonly string[]} [acl]
 * @property {boolean} [admin] metadata.admin
 * @property {string} [purpose] metadata.purpose: user, internal, external_api
 * @property {number} [expiresInMs]
 * @property {string} [session] session_uuid
 * @property {string} [token] the id itself
 *
 * @typedef {object} TokenBody what wazo-auth answers about a token
 * @property {string} token
 * @property {string} session_uuid
 * @property {string} auth_id
 * @property {readonly string[]} acl
 * @property {string} utc_expires_at
 * @property {string} utc_issued_at
 * @property {{ uuid: string, tenant_uuid: string, purpose: string, admin: boolean }} metadata
 *
 * @typedef {Required<Mint> & { issuedAt: number, expiresAt: number }} Token times in ms of this machine's clock
 */

/** @param {Mint} mint @returns {Token} */
export function createToken(mint) {
  const now = Date.now()
  const expiresInMs = mint.expiresInMs ?? DEFAULT_LIFE_MS
  return {
    user: mint.user ?? randomUUID(),
    tenant: mint.tenant ?? DEFAULT_TENANT,
    acl: mint.acl ?? DEFAULT_ACL,
    admin: mint.admin ?? false,
    purpose: mint.purpose ?? 'user',
    session: mint.session ?? randomUUID(),
    token: mint.token ?? randomUUID(),
    expiresInMs,
    issuedAt: now,
    expiresAt: now + expiresInMs,
  }
}

/**
 * @param {Token} token
 * @param {number} skewMs how far wazo-auth's clock is ahead of this machine's
 * @returns {TokenBody}
 */
export function describeToken(token, skewMs) {
  return {
    token: token.token,
    session_uuid: token.session,
    auth_id: token.user,
    acl: token.acl,
    utc_issued_at: utc(token.issuedAt + skewMs),
    utc_expires_at: utc(token.expiresAt + skewMs),
    metadata: { uuid: token.user, tenant_uuid: token.tenant, purpose: token.purpose, admin: token.admin },
  }
}

/**
 * A time as wazo-auth writes it: UTC without a zone, microseconds.
 * @param {number} ms
 */
function utc(ms) {
  return `${new Date(ms).toISOString().slice(0, -1)}000`
}

/**
 * Whether an ACL allows `access`, by regular expressions: good enough for the few short patterns of tests.
 * @param {Pick<Token, 'acl' | 'user' | 'session'>} token
 * @param {string} access
 */
export function allows({ acl, user, session }, access) {
  /** @param {string} pattern */
  const matches = (pattern) => {
    const words = pattern.split('.').map((word) => {
      const source = word
        .replace(/[^A-Za-z0-9_*#]/g, '\\$&')
        .replaceAll('*', '[^.#]*')
        .replaceAll('#', '.*')
      if (word === 'me') return `(?:me|${user})`
      if (word === 'my_session') return `(?:my_session|${session})`
      return word === 'edit' ? '(?:edit|update)' : source
    })
    return new RegExp(`^${words.join('\\.')}$`, 's').test(access)
  }
  const denied = acl.some((pattern) => pattern.startsWith('!') && matches(pattern.slice(1)))
  return !denied && acl.some((pattern) => !pattern.startsWith('!') && matches(pattern))
}
