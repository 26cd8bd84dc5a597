/** Tokens of all kinds, in few tenants and with few users, so that events find them. */
import { identify, type Identity, type TokenId } from '@wazo-websocketd/shared/domain/identity'
import type { Token } from './reference-rights.js'

export const MASTER = 'master'
export const TENANTS = ['t1', 't2', MASTER, '__proto__'] as const
export const USERS = ['u1', 'u2', 'u.3', 'toString'] as const
const ACLS: readonly (readonly string[])[] = [
  ...[
    ['#'],
    ['x.me'],
    ['x.*'],
    ['x.#', '!x.u1'],
    ['my_session.#', 'x.y.edit'],
    ['!#'],
    [],
    ['x.#.edit', 'z', 'x.u1'],
  ],
]
const PURPOSES = ['user', 'user', 'user', 'internal', 'external_api', 'constructor'] as const

/** The token number `n`; the numbers below 10,000 have all combinations. */
export function tokenOf(n: number): Token {
  const at = <T>(items: readonly T[], step: number): T => items[Math.floor(n / step) % items.length]!
  return {
    session_uuid: at(['s1', 's2', 'u1'], 5),
    acl: at(ACLS, 1),
    utc_expires_at: '2099-01-01T00:00:00',
    metadata: {
      uuid: at(USERS, 2),
      tenant_uuid: at(TENANTS, 3),
      purpose: at(PURPOSES, 7),
      admin: Math.floor(n / 11) % 5 === 0,
    },
  }
}

/** Who a session with the token is, by the program's own rules. */
export function identityFor({ session_uuid, acl, metadata }: Token): Identity {
  const { uuid, tenant_uuid, purpose, admin } = metadata
  return identify(
    {
      token: 'a-token' as TokenId,
      sessionUuid: session_uuid,
      userUuid: uuid,
      tenantUuid: tenant_uuid,
      admin: admin || purpose === 'internal' || purpose === 'external_api',
      acl,
      expiresAt: 0,
    },
    MASTER,
  )
}
