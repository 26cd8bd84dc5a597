/** The JSON of tickets in Redis, and the rows that scripts answer. Pure but for the digest. */
import { hash } from 'node:crypto'
import type { Epoch, Offset, Positions } from '@wazo-websocketd/shared/domain/position'
import type { TicketDraft } from './tickets.js'

/** Another form gets another number (docs/adr/0010): scripts do not touch a ticket of another form. */
export const TICKET_FORM = 1

/** What a later session with the same token is matched by. */
export interface MatchKeys {
  readonly version: string
  /** Digest of the event names, whose order does not count. */
  readonly names: string
  readonly address: string
}

export function matchKeysOf({ version, subscriptions, address }: TicketDraft['connection']): MatchKeys {
  const names = hash('sha256', JSON.stringify([...subscriptions].sort()), 'hex')
  return { version: String(version), names, address }
}

/** Encodes a ticket for the scripts. Offsets are text: Lua's JSON would round large numbers. */
export function encodeTicket({ connection, positions, alone = false }: TicketDraft): string {
  const at: Record<string, [Epoch, string]> = {}
  for (const [partition, { epoch, offset }] of positions) at[partition] = [epoch, String(offset)]
  return JSON.stringify({ form: TICKET_FORM, ...matchKeysOf(connection), at, ...(alone ? { alone } : {}) })
}

/** Returns a ticket's id and positions from a row of a script's answer; null for anything else. */
export function parseRow(row: unknown): { readonly id: string; readonly positions: Positions } | null {
  if (!Array.isArray(row) || row.length % 3 !== 1) return null
  const [id, ...rest] = row.map(String)
  const positions = new Map<number, { epoch: Epoch; offset: Offset }>()
  for (let i = 0; i < rest.length; i += 3) {
    const [partition, epoch, offset] = [Number(rest[i]), rest[i + 1] as Epoch, Number(rest[i + 2])]
    if (!Number.isSafeInteger(partition) || !Number.isSafeInteger(offset)) return null
    positions.set(partition, { epoch, offset })
  }
  return { id: id as string, positions }
}
