/** Turns the recorded events of events.json into events of today's people. */
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'

/**
 * @typedef {{ name: string, exchange: string, routing_key: string, headers: Record<string, unknown>, body: Record<string, unknown> }} Template
 * @typedef {{ exchange: string, routingKey: string, headers: Record<string, unknown>, body: string }} Publication
 * @typedef {import('./people.mjs').User} User
 * @typedef {import('./people.mjs').Tenant} Tenant
 */

/** @type {readonly Template[]} */
const templates = JSON.parse(readFileSync(new URL('events.json', import.meta.url), 'utf8'))
const byName = new Map(templates.map((template) => [template.name, JSON.stringify(template)]))

/** The names of all recorded events. */
export const EVENT_NAMES = [...byName.keys()]

// The people and the moment of the recording.
const RECORDED = {
  origin: 'ca7f87e9-c2c8-5fad-ba1b-c3140ebb9be3',
  tenant: '2c34c282-433e-4bb8-8d56-fec14ff7e1e9',
  user: '07e350b5-cb5f-4b5f-b6f0-7d1cd2c1e9a1',
  peer: 'f1c8a3d2-6f4e-4b0e-9a57-3f3f0c0c5b22',
}
const RECORDED_AT = Date.parse('2026-11-24T10:15:30Z')
const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g
const TIME = /^2026-11-24T\d\d:\d\d:\d\d(\.\d+)?(\+00:00)?$/
const UNIX_SECONDS = /\b17324\d{5}(\.\d+)?/g
const PERSON = /\b(Alice|Bob) Demo\b|"100[12]"/g

/**
 * A story: events that share call ids, rooms and people.
 * @param {{ origin: string, tenant: Tenant, user: User, peer: User, at: number }} scene `at`: its beginning, in ms of Unix time
 * @returns {(name: string, options?: { asPeer?: boolean, data?: object, now?: number }) => Publication} the event
 *   `name` of the story; `asPeer`: as the other party sees it; `data` replaces keys of the body's data
 */
export function createStory({ origin, tenant, user, peer, at }) {
  const uuids = new Map([
    [RECORDED.origin, origin],
    [RECORDED.tenant, tenant.uuid],
  ])
  const calls = new Map()
  return (name, { asPeer = false, data = {}, now = Date.now() } = {}) => {
    const text = byName.get(name)
    if (text === undefined) throw new Error(`no recorded event is named ${name}`)
    const [self, other] = asPeer ? [peer, user] : [user, peer]
    const event = JSON.parse(
      text
        .replace(UUID, (uuid) => uuidFor(uuid, uuids, self, other))
        .replace(PERSON, (person) => personFor(person, self, other))
        .replace(UNIX_SECONDS, (number, sequence) => callId(number, sequence, calls, at)),
      (key, value) => (TIME.test(value) ? shifted(value, at, key === 'timeout_at' ? Infinity : now) : value),
    )
    return publication(event, tenant, self, asPeer, data, now)
  }
}

function uuidFor(uuid, uuids, self, other) {
  if (uuid === RECORDED.user) return self.uuid
  if (uuid === RECORDED.peer) return other.uuid
  if (!uuids.has(uuid)) uuids.set(uuid, randomUUID())
  return uuids.get(uuid)
}

function personFor(person, self, other) {
  const who = person === 'Alice Demo' || person === '"1001"' ? self : other
  return person.startsWith('"') ? `"${who.number}"` : who.name
}

/** The same distance from the story's beginning as in the recording, in the same form; what has happened is not in the future. */
function shifted(time, at, latest) {
  const [, micros, zone = ''] = TIME.exec(time)
  const recorded = Date.parse(time.slice(0, 19) + 'Z')
  const moment = new Date(Math.min(at + recorded - RECORDED_AT, latest)).toISOString()
  return moment.slice(0, 19) + (micros === undefined ? '' : `.${moment.slice(20, 23)}000`) + zone
}

/** Asterisk's ids are the seconds of the call's beginning and a number; other numbers are just seconds. */
function callId(number, sequence, calls, at) {
  const seconds = String(Math.floor(at / 1000))
  if (sequence === undefined) return seconds
  if (!calls.has(number)) calls.set(number, `${seconds}.${nextCall++}`)
  return calls.get(number)
}

let nextCall = 1

function publication(event, tenant, self, asPeer, data, now) {
  const timestamp = new Date(now).toISOString().replace('Z', '000')
  const { headers, body } = event
  headers.timestamp = timestamp
  body.timestamp = timestamp
  if ('sip_call_id' in body.data) body.data.sip_call_id = `${body.data.call_id}@10.0.0.11`
  if ('is_caller' in body.data) body.data.is_caller = !asPeer
  if (event.name === 'auth_tenant_added') Object.assign(body.data, { uuid: tenant.uuid, name: tenant.name })
  if ('user_id' in body.data) body.data.user_id = self.id
  Object.assign(body.data, data)
  return { exchange: event.exchange, routingKey: event.routing_key, headers, body: JSON.stringify(body) }
}
