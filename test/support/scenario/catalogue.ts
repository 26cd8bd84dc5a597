/** The imaginary Wazo of a run: tenants, users, what they are told of, and what they may see. */
import { MASTER_TENANT } from '../auth.mjs'
import type { Shape } from '../checker/history.js'
import type { Random } from './random.js'

export const TENANTS = [1, 2, 3, 4].map((t) => `0000000${t}-0000-4000-8000-000000000000`)
export const NAMES = [
  'call_created',
  'call_ended',
  'presence',
  'voicemail',
  'queue',
  'switchboard',
  'fax',
  'chat',
]
const USERS_PER_TENANT = 5
const POISON_NAME = 'poison'
const REVOCATION_NAME = 'auth_session_deleted'

/** The ACLs of users: all, one branch, all but a branch, their own. */
export const ACLS = [
  ['websocketd', 'event.#', 'events.#'],
  ['websocketd', 'events.open.#'],
  ['websocketd', 'events.#', '!events.secret.#'],
  ['websocketd', 'events.users.me.*.edit', 'events.auth.#'],
] as const

export function usersOf(tenant: string): string[] {
  return Array.from({ length: USERS_PER_TENANT }, (_, u) => `${tenant.slice(0, -1)}${u + 1}`)
}

/** Everything that may be published, so that an event needs only a number. */
export class Catalogue {
  readonly shapes: readonly Shape[]
  private readonly numbers = new Map<string, number>()

  constructor() {
    const shapes: Shape[] = []
    for (const tenant of [...TENANTS, null]) {
      const users = tenant === null ? [] : usersOf(tenant)
      for (const name of NAMES)
        for (const audience of [['*'], [], ...users.map((user) => [user])])
          for (const requiredAcl of aclsOf(audience))
            shapes.push(shapeOf(name, tenant, audience, requiredAcl))
    }
    for (const tenant of [...TENANTS, MASTER_TENANT])
      for (const user of usersOf(tenant))
        shapes.push(shapeOf(REVOCATION_NAME, tenant, [user], 'events.auth.sessions.deleted'))
    shapes.push({ ...shapeOf(POISON_NAME, TENANTS[0]!, ['*'], null), poison: true })
    this.shapes = shapes
    for (const [number, shape] of shapes.entries()) this.numbers.set(nameOf(shape), number)
  }

  /** The shape of the next event: mostly for a whole tenant. */
  pick(random: Random): number {
    if (random.chance(0.005)) return this.find(shapeOf(POISON_NAME, TENANTS[0]!, ['*'], null))
    const tenant = random.chance(0.05) ? null : random.pick(TENANTS)
    const audience =
      tenant === null || random.chance(0.7) ? ['*'] : random.chance(0.1) ? [] : [random.pick(usersOf(tenant))]
    return this.find(shapeOf(random.pick(NAMES), tenant, audience, random.pick(aclsOf(audience))))
  }

  /** What wazo-auth publishes when a token of this user is deleted. */
  revocation(tenant: string, user: string): number {
    return this.find(shapeOf(REVOCATION_NAME, tenant, [user], 'events.auth.sessions.deleted'))
  }

  private find(shape: Shape): number {
    const number = this.numbers.get(nameOf(shape))
    if (number === undefined) throw new Error(`no shape ${nameOf(shape)}`)
    return number
  }
}

function aclsOf([user]: readonly string[]): (string | null)[] {
  const own =
    user === undefined || user === '*' ? 'events.open.write' : `events.users.${user}.presence.update`
  return [null, 'events.open.read', own, 'events.secret.read']
}

function shapeOf(
  name: string,
  tenant: string | null,
  audience: readonly string[],
  requiredAcl: string | null,
): Shape {
  const everyone = audience[0] === '*'
  return { name, tenant, users: everyone ? [] : audience, everyone, requiredAcl }
}

function nameOf({ name, tenant, users, everyone, requiredAcl }: Shape): string {
  return JSON.stringify([name, tenant, users, everyone, requiredAcl])
}
