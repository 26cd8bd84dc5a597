/** The seven kinds of reader that the rules tell apart, and an eighth to see both sides of a tenant. */
import { randomUUID } from 'node:crypto'
import type { MintOptions } from './auth.js'
import type { Reader } from './reader.js'
import type { Target } from './target.js'

const ROLES = [
  'user',
  'other user',
  'admin',
  'internal',
  'external_api',
  'other tenant',
  'other tenant admin',
  'master',
] as const

export type Role = (typeof ROLES)[number]

/** One reader of each kind, all with the rights `events.#`. */
export interface Cast {
  readonly tenant: string
  readonly otherTenant: string
  /** The uuid of a role's user. */
  user(role: Role): string
  /** What one role has been sent. */
  received(role: Role): Promise<string[]>
  /** The roles that were sent `body`, and nothing else; throws when one was sent anything else or twice. */
  receivers(body: string, tenant?: string): Promise<Role[]>
}

/** Connects and starts all roles, subscribed to `names`, in two tenants of their own. */
export async function openCast(target: Target, names: readonly string[]): Promise<Cast> {
  const tenant = randomUUID()
  const otherTenant = randomUUID()
  const tokens: Record<Role, MintOptions> = {
    user: { tenant },
    'other user': { tenant },
    admin: { tenant, admin: true },
    internal: { tenant, purpose: 'internal' },
    external_api: { tenant, purpose: 'external_api' },
    'other tenant': { tenant: otherTenant },
    'other tenant admin': { tenant: otherTenant, admin: true },
    master: { tenant: target.auth.masterTenant },
  }
  const acl = ['websocketd', 'events.#']
  const opened = ROLES.map(
    async (role) => [role, await target.read(names, { ...tokens[role], acl })] as const,
  )
  const readers = new Map<Role, Reader>(await Promise.all(opened))
  const reader = (role: Role) => readers.get(role)!
  return {
    tenant,
    otherTenant,
    user: (role) => reader(role).token.metadata.uuid,
    received: (role) => reader(role).received(),
    async receivers(body, eventTenant) {
      const received = ROLES.map(async (role): Promise<Role[]> => {
        const bodies = await reader(role).received(role === 'master' ? eventTenant : undefined)
        if (bodies.length > 1 || bodies.some((each) => each !== body))
          throw new Error(`${role} was sent something else, or twice: ${bodies.join(' | ').slice(0, 500)}`)
        return bodies.length === 1 ? [role] : []
      })
      return (await Promise.all(received)).flat()
    },
  }
}
