/** Turns the recorded events of samples/events.json into events of today's people. */
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'

/** A recorded event. */
export interface Template {
  readonly name: string
  readonly service: string
  readonly scope: 'user' | 'multi_user' | 'tenant' | 'service'
  readonly exchange: string
  readonly routing_key: string
  /** `required_acl` with words in braces for what differs from event to event. */
  readonly required_acl_template: string
  readonly headers: Record<string, unknown>
  readonly body: Record<string, unknown> & { data: Record<string, unknown> }
}

/** What goes to the bus. */
export interface Publication {
  readonly exchange: string
  readonly routingKey: string
  readonly headers: Readonly<Record<string, unknown>>
  readonly body: string
}

export interface Person {
  readonly uuid: string
  readonly name: string
  /** Of the telephone. */
  readonly number: string
  readonly id: number
}

export interface Scene {
  /** The uuid of this Wazo. */
  readonly origin: string
  readonly tenant: { readonly uuid: string; readonly name: string }
  readonly user: Person
  readonly peer: Person
  /** Its beginning, in milliseconds of Unix time. */
  readonly at: number
}

export interface StoryEvent {
  /** As the other party sees it. */
  readonly asPeer?: boolean
  /** Replaces keys of the body's data. */
  readonly data?: Readonly<Record<string, unknown>>
  /** Milliseconds of Unix time. */
  readonly now?: number
}

/** All recorded events, in the order of the file. */
export const TEMPLATES = JSON.parse(
  readFileSync(new URL('../../samples/events.json', import.meta.url), 'utf8'),
) as readonly Template[]

/** The names of all recorded events. */
export const EVENT_NAMES = TEMPLATES.map(({ name }) => name)

const TEXTS = new Map(TEMPLATES.map((template) => [template.name, JSON.stringify(template)]))

// The people and the moment of the recording.
const RECORDED = {
  origin: 'ca7f87e9-c2c8-5fad-ba1b-c3140ebb9be3',
  tenant: '2c34c282-433e-4bb8-8d56-fec14ff7e1e9',
  user: '07e350b5-cb5f-4b5f-b6f0-7d1cd2c1e9a1',
  peer: 'f1c8a3d2-6f4e-4b0e-9a57-3f3f0c0c5b22',
} as const
const RECORDED_AT = Date.parse('2026-11-24T10:15:30Z')
const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g
const TIME = /^2026-11-24T\d\d:\d\d:\d\d(\.\d+)?(\+00:00)?$/
const UNIX_SECONDS = /\b17324\d{5}(\.\d+)?/g
const PERSON = /\b(Alice|Bob) Demo\b|"100[12]"/g

let nextCall = 1

/** Events that share call ids, rooms and people: gives the event `name` of the story. It throws when none was recorded. */
export function createStory(scene: Scene): (name: string, options?: StoryEvent) => Publication {
  const { origin, tenant, user, peer, at } = scene
  const uuids = new Map<string, string>([
    [RECORDED.origin, origin],
    [RECORDED.tenant, tenant.uuid],
  ])
  const calls = new Map<string, string>()
  return (name, { asPeer = false, data = {}, now = Date.now() } = {}) => {
    const text = TEXTS.get(name)
    if (text === undefined) throw new Error(`no recorded event is named ${name}`)
    const [self, other] = asPeer ? [peer, user] : [user, peer]
    const event = JSON.parse(
      text
        .replace(UUID, (uuid) => uuidFor(uuid, uuids, self, other))
        .replace(PERSON, (person) => personFor(person, self, other))
        .replace(UNIX_SECONDS, (number, sequence?: string) => callId(number, sequence, calls, at)),
      (key, value: unknown) =>
        typeof value === 'string' && TIME.test(value)
          ? shifted(value, at, key === 'timeout_at' ? Infinity : now)
          : value,
    ) as Template
    return publication(event, { tenant, self, asPeer, data, now })
  }
}

function uuidFor(uuid: string, uuids: Map<string, string>, self: Person, other: Person): string {
  if (uuid === RECORDED.user) return self.uuid
  if (uuid === RECORDED.peer) return other.uuid
  const known = uuids.get(uuid) ?? randomUUID()
  uuids.set(uuid, known)
  return known
}

function personFor(person: string, self: Person, other: Person): string {
  const who = person === 'Alice Demo' || person === '"1001"' ? self : other
  return person.startsWith('"') ? JSON.stringify(who.number) : who.name
}

/** The same distance from the story's beginning as in the recording, in the same form; what has happened is not in the future. */
function shifted(time: string, at: number, latest: number): string {
  const [, micros, zone = ''] = TIME.exec(time) ?? []
  const recorded = Date.parse(`${time.slice(0, 19)}Z`)
  const moment = new Date(Math.min(at + recorded - RECORDED_AT, latest)).toISOString()
  return moment.slice(0, 19) + (micros === undefined ? '' : `.${moment.slice(20, 23)}000`) + zone
}

/** Asterisk's ids are the seconds of the call's beginning and a number; other numbers are just seconds. */
function callId(
  number: string,
  sequence: string | undefined,
  calls: Map<string, string>,
  at: number,
): string {
  const seconds = String(Math.floor(at / 1000))
  if (sequence === undefined) return seconds
  const known = calls.get(number) ?? `${seconds}.${nextCall++}`
  calls.set(number, known)
  return known
}

interface Moment {
  readonly tenant: Scene['tenant']
  readonly self: Person
  readonly asPeer: boolean
  readonly data: Readonly<Record<string, unknown>>
  readonly now: number
}

function publication(event: Template, { tenant, self, asPeer, data, now }: Moment): Publication {
  const timestamp = new Date(now).toISOString().replace('Z', '000')
  const { headers, body } = event
  const content = body.data
  headers['timestamp'] = timestamp
  body['timestamp'] = timestamp
  if ('sip_call_id' in content) content['sip_call_id'] = `${String(content['call_id'])}@10.0.0.11`
  if ('is_caller' in content) content['is_caller'] = !asPeer
  if (event.name === 'auth_tenant_added') Object.assign(content, { uuid: tenant.uuid, name: tenant.name })
  if ('user_id' in content) content['user_id'] = self.id
  Object.assign(content, data)
  return { exchange: event.exchange, routingKey: event.routing_key, headers, body: JSON.stringify(body) }
}
