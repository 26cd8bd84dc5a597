/** Who lives in the demo: tenants and users with fresh uuids, and the tokens that are handed out. */
import { randomUUID } from 'node:crypto'

/**
 * @typedef {{ uuid: string, name: string, number: string, id: number }} User
 * @typedef {{ uuid: string, name: string, users: User[] }} Tenant
 * @typedef {{ origin: string, tenants: Tenant[] }} World `origin` is the uuid of this Wazo
 */

// What the default policy of a Wazo user allows to hear, as far as the demo's events go.
const USER_ACL = [
  'websocketd',
  'events.calls.me',
  'events.transfers.me',
  'events.parkings.#',
  'events.chatd.users.*.presences.updated',
  'events.chatd.users.me.#',
  'events.config.users.me.#',
  'events.users.me.#',
  'events.auth.users.me.#',
  'events.call_log.user.me.created',
  'events.conferences.#',
  'events.faxes.outbound.users.me.#',
  'events.statuses.*',
  'events.switchboards.#',
  'events.lines.*.status.updated',
  'events.trunks.*.status.updated',
  'events.voicemails.global.#',
]
const ADMIN_ACL = ['websocketd', 'events.#', 'switchboards.#']
const TOKEN_LIFE_MS = 24 * 3_600_000

/** @returns {World} */
export function createWorld() {
  return {
    origin: randomUUID(),
    tenants: [
      tenant('Acme', 1000, ['Alice Martin', 'Bob Tremblay', 'Carol Nguyen']),
      tenant('Globex', 2000, ['Dana Roy', 'Emil Novak', 'Fatima Diallo']),
    ],
  }
}

/**
 * @param {string} name
 * @param {number} firstNumber
 * @param {readonly string[]} users
 * @returns {Tenant}
 */
function tenant(name, firstNumber, users) {
  return {
    uuid: randomUUID(),
    name,
    users: users.map((user, index) => ({
      uuid: randomUUID(),
      name: user,
      number: String(firstNumber + index + 1),
      id: firstNumber + index + 1,
    })),
  }
}

/**
 * The three readers of the demo.
 * @param {World} world
 * @param {string} masterTenant
 * @returns {{ role: 'user' | 'admin' | 'master', who: string, mint: object }[]} `mint` is for the stand-in wazo-auth
 */
export function readers({ tenants }, masterTenant) {
  const [acme] = tenants
  const [alice] = acme.users
  const common = { expiresInMs: TOKEN_LIFE_MS }
  return [
    {
      role: 'user',
      who: `${alice.name}, a user of ${acme.name}: what concerns her`,
      mint: { ...common, user: alice.uuid, tenant: acme.uuid, acl: USER_ACL },
    },
    {
      role: 'admin',
      who: `an administrator of ${acme.name}: all events of ${acme.name}`,
      mint: { ...common, tenant: acme.uuid, admin: true, acl: ADMIN_ACL },
    },
    {
      role: 'master',
      who: 'of the master tenant: all events of all tenants',
      mint: { ...common, tenant: masterTenant, admin: true, acl: ['#'] },
    },
  ]
}
