/** Makes an event of a bus message, or names the reason for dropping it (PROTOCOL.md, C4.12 and C4.18). Pure. */
import { isUtf8 } from 'node:buffer'
import type { BusEvent } from '@wazo-websocketd/shared/domain/event'

/** Reasons for which a message of the bus is no event; values of `bus_messages_total{result}`. */
export const DROP_REASONS = [
  'too_big',
  'invalid_utf8',
  'byte_order_mark',
  'invalid_json',
  'not_an_object',
  'no_name',
  'bad_name',
  'other_origin',
  'bad_tenant',
  'no_acl',
  'bad_acl',
] as const

export type DropReason = (typeof DROP_REASONS)[number]

/** A message of the bus. */
export interface BusMessage {
  /** The AMQP header table; undefined when the message has none. */
  readonly headers: Readonly<Record<string, unknown>> | undefined
  readonly body: Buffer
}

/** An event that has no offset yet. */
export type NormalisedEvent = Omit<BusEvent, 'offset' | 'receivedAt'>

export type Normalised =
  | { readonly kind: 'event'; readonly event: NormalisedEvent }
  | { readonly kind: 'dropped'; readonly reason: DropReason }

export interface NormaliseOptions {
  /** This Wazo's uuid; null: events of every origin. */
  readonly origin: string | null
  readonly bodyBytesMax: number
}

const USER_PREFIX = 'user_uuid:'
const EVERYONE = 'user_uuid:*'
const SESSION_DELETED = 'auth_session_deleted'

type Table = Readonly<Record<string, unknown>>

/**
 * Validates one message. The body is never changed: it goes on byte for byte.
 *
 * An `auth_session_deleted` that no session may see still ends its session: it becomes an event with
 * `revocationOnly`.
 */
export function normalise(message: BusMessage, options: NormaliseOptions): Normalised {
  const root = parseBody(message.body, options.bodyBytesMax)
  if (typeof root === 'string') return dropped(root)
  const headers = message.headers ?? {}
  const read = (key: string): unknown => (Object.hasOwn(headers, key) ? headers[key] : own(root, key))

  const name = read('name')
  if (name === undefined) return dropped('no_name')
  if (typeof name !== 'string') return dropped('bad_name')
  if (options.origin !== null && read('origin_uuid') !== options.origin) return dropped('other_origin')

  const revokedSession = name === SESSION_DELETED ? revokedBy(headers, root) : null
  const tenant = read('tenant_uuid') ?? null
  const requiredAcl = read('required_acl')
  const reason = hiddenReason(tenant, requiredAcl)
  if (reason !== null && revokedSession === null) return dropped(reason)
  return {
    kind: 'event',
    event: {
      name,
      tenant: typeof tenant === 'string' ? tenant : null,
      everyone: read(EVERYONE) === true,
      users: usersIn(headers),
      requiredAcl: typeof requiredAcl === 'string' ? requiredAcl : null,
      revokedSession,
      revocationOnly: reason !== null,
      body: message.body,
    },
  }
}

function dropped(reason: DropReason): Normalised {
  return { kind: 'dropped', reason }
}

/** The root of the body, or the reason why there is none. The size comes first: nothing large is ever parsed. */
function parseBody(body: Buffer, bodyBytesMax: number): Table | DropReason {
  if (body.length > bodyBytesMax) return 'too_big'
  if (!isUtf8(body)) return 'invalid_utf8'
  if (body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf) return 'byte_order_mark'
  const text = body.toString('utf8')
  const root = tryParse(text) ?? tryParse(withoutNonFinite(text))
  if (root === undefined) return 'invalid_json'
  return isTable(root.value) ? root.value : 'not_an_object'
}

function tryParse(text: string | null): { readonly value: unknown } | undefined {
  if (text === null) return undefined
  try {
    return { value: JSON.parse(text) as unknown }
  } catch {
    return undefined
  }
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const NON_FINITE: ReadonlyMap<number, string> = new Map(
  ['NaN', 'Infinity', '-Infinity'].map((word) => [word.charCodeAt(0), word]),
)
/** A value of a type that no key of the envelope may have; beside anything but punctuation it is no JSON, as the word is not. */
const PLACEHOLDER = '[]'

/**
 * Replaces what Python's `json.dumps` writes for floats that are no numbers (C4.21); null: the text has none. One pass, and
 * only over texts that are no JSON otherwise.
 */
function withoutNonFinite(text: string): string | null {
  const parts: string[] = []
  let from = 0
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at)
    if (char === QUOTE) at = endOfString(text, at)
    const word = NON_FINITE.get(char)
    if (word === undefined || !text.startsWith(word, at)) continue
    parts.push(text.slice(from, at), PLACEHOLDER)
    at += word.length - 1
    from = at + 1
  }
  return from === 0 ? null : parts.join('') + text.slice(from)
}

/** The index at which the JSON string that begins at `at` ends. */
function endOfString(text: string, at: number): number {
  for (let end = at + 1; end < text.length; end++) {
    const char = text.charCodeAt(end)
    if (char === QUOTE) return end
    if (char === BACKSLASH) end++
  }
  return text.length
}

function isTable(value: unknown): value is Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function own(table: Table, key: string): unknown {
  return Object.hasOwn(table, key) ? table[key] : undefined
}

/** Names the reason why no session may see the event: C4.8, C4.11, or a tenant that is neither a string nor absent. */
function hiddenReason(tenant: unknown, requiredAcl: unknown): DropReason | null {
  if (tenant !== null && typeof tenant !== 'string') return 'bad_tenant'
  if (requiredAcl === undefined) return 'no_acl'
  if (requiredAcl !== null && typeof requiredAcl !== 'string') return 'bad_acl'
  return null
}

/** The users that headers name; a header counts only when it is `true` (C4.13). */
function usersIn(headers: Table): string[] {
  const found: string[] = []
  for (const key of Object.keys(headers))
    if (key.startsWith(USER_PREFIX) && key !== EVERYONE && headers[key] === true)
      found.push(key.slice(USER_PREFIX.length))
  return found
}

/** The session that wazo-auth deleted: `data.uuid` (C6.5), else the header `session_uuid`. */
function revokedBy(headers: Table, root: Table): string | null {
  const data = own(root, 'data')
  const uuid = isTable(data) ? own(data, 'uuid') : undefined
  if (typeof uuid === 'string' && uuid !== '') return uuid
  const header = own(headers, 'session_uuid')
  return typeof header === 'string' && header !== '' ? header : null
}
