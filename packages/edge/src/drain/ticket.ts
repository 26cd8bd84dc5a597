/** Tickets as they stand in Redis and come from there. Pure but for the digest. */
import { hash } from 'node:crypto'
import type { Epoch, Offset, Positions } from '@wazo-websocketd/shared/domain/position'
import type { TicketDraft, TicketHolder } from '../session/ports.js'

/** Another form gets another number: scripts leave a ticket alone whose form they do not know. */
export const TICKET_FORM = 1

/** The session's marks, by which a later one with the same token is recognised. */
export interface MatchKeys {
  readonly version: string
  /** Digest of the event names, in whatever order they were subscribed to. */
  readonly names: string
  readonly address: string
}

/** The marks of a session. */
export function matchKeysOf({ version, subscriptions, address }: TicketHolder): MatchKeys {
  const names = hash('sha256', JSON.stringify([...subscriptions].sort()), 'hex')
  return { version: String(version), names, address }
}

/** The JSON that the scripts work on. Offsets as text: Lua's JSON would round large numbers. */
export function encodeTicket({ holder, positions, alone = false }: TicketDraft): string {
  const at: Record<string, [Epoch, string]> = {}
  for (const [partition, { epoch, offset }] of positions) at[partition] = [epoch, String(offset)]
  return JSON.stringify({ form: TICKET_FORM, ...matchKeysOf(holder), at, ...(alone ? { alone } : {}) })
}

/** A ticket's id and positions in a row of a script's answer; null for anything else. */
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
