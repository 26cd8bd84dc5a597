/** The events that all servers are given. Pure. */
import { EVENT_NAME } from './dialect.js'

/** To whom an event goes, and what it asks of an ACL. */
export interface EventKind {
  /** null: everybody of the tenant. */
  readonly user: string | null
  /** Used in turn. */
  readonly acls: readonly (string | null)[]
}

export const TENANT = '2c34c282-433e-4bb8-8d56-fec14ff7e1e9'
export const BODY_BYTES = 450
/** Digits of a time in microseconds of the monotonic clock, which is one for all processes of a machine. */
const STAMP_DIGITS = 16
const STAMP = '"at":"'

export interface MadeEvent {
  readonly headers: Readonly<Record<string, unknown>>
  readonly body: Buffer
}

/** Event number `n` of a kind, sent at `atUs`. */
export function makeEvent(kind: EventKind, n: number, atUs: number): MadeEvent {
  const headers: Record<string, unknown> = {
    name: EVENT_NAME,
    timestamp: '2026-11-24T10:15:30.123456',
    tenant_uuid: TENANT,
    [`user_uuid:${kind.user ?? '*'}`]: true,
    required_acl: kind.acls[n % kind.acls.length] ?? null,
  }
  const text = (pad: number) =>
    JSON.stringify({
      ...headers,
      data: { pad: 'x'.repeat(pad), at: String(atUs).padStart(STAMP_DIGITS, '0') },
    })
  return { headers, body: Buffer.from(text(Math.max(0, BODY_BYTES - text(0).length))) }
}

/** The time in an event, in microseconds; NaN when there is none between `from` and `to`. */
export function stampOf(bytes: Buffer, from: number, to: number): number {
  const found = bytes.indexOf(STAMP, from, 'latin1')
  const start = found + STAMP.length
  if (found === -1 || start + STAMP_DIGITS > to) return NaN
  let value = 0
  for (let i = start; i < start + STAMP_DIGITS; i++) value = value * 10 + bytes[i]! - 0x30
  return value
}

/** Now, on the clock that events are stamped with. */
export function nowUs(): number {
  return Math.round(Number(process.hrtime.bigint()) / 1_000)
}
