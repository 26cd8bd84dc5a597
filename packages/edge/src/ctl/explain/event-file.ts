/** An event in a file, read as the ingest reads a message of the bus. */
import { isRecord, parseJson } from '@wazo-websocketd/shared/domain/guards'
import type { BusEvent } from '@wazo-websocketd/shared/domain/event'
import {
  normalise,
  type DropReason,
  type NormaliseOptions,
} from '@wazo-websocketd/ingest/normalise/normalise'

/** Why no session gets an event of this kind, and what to do about it. */
const DROPPED: Readonly<Record<DropReason, string>> = {
  too_big: 'its body is larger than limits.event_body_bytes',
  invalid_utf8: 'its body is not UTF-8',
  byte_order_mark: 'its body begins with a byte-order mark',
  invalid_json: 'its body is not JSON',
  not_an_object: 'its body is no JSON object',
  no_name: 'it has no name, neither as a header nor in its body',
  bad_name: 'its name is not a text',
  other_origin: "its origin_uuid is not this Wazo's uuid (uuid, or XIVO_UUID)",
  bad_tenant: 'its tenant_uuid is not a text',
  no_acl: 'it has no required_acl, neither as a header nor in its body: nobody gets it',
  bad_acl: 'its required_acl is neither a text nor null',
}

export type FileEvent =
  | { readonly kind: 'event'; readonly event: BusEvent }
  /** The ingest drops it, because of what this line says. */
  | { readonly kind: 'dropped'; readonly origin: boolean; readonly why: string }

/**
 * The event in `text`: `{"headers": {...}, "body": {...}}` as tools show a message, or the body alone.
 * @throws Error in one line when it is neither.
 */
export function readEventFile(text: string, options: NormaliseOptions): FileEvent {
  const value = parseJson(text)
  if (value === undefined) throw new Error('the file of the event is not JSON')
  if (!isRecord(value)) throw new Error('the file of the event holds no JSON object')
  const { headers, body } = value
  const whole = isRecord(headers)
  const content = whole ? body : value
  const bytes = Buffer.from(typeof content === 'string' ? content : JSON.stringify(content ?? {}))
  const read = normalise({ headers: whole ? headers : undefined, body: bytes }, options)
  if (read.kind === 'dropped')
    return { kind: 'dropped', origin: read.reason === 'other_origin', why: DROPPED[read.reason] }
  return { kind: 'event', event: { ...read.event, offset: 0, receivedAt: 0 } }
}
