/**
 * The messages between workers and primary while a connection passes from one worker to another:
 *
 *     old worker        primary          successor
 *       offer + handle ->
 *                         arrival + handle ->       (the successor holds it and touches nothing)
 *                                          <- taken
 *              <- moved | go ->                     (now, and only now, the successor reads and writes)
 *
 * The primary decides: at every moment exactly one worker may touch the connection. All messages are JSON.
 */

/** Connections of one worker that may be in flight at once. */
export const IN_FLIGHT_MAX = 16

/** Why the primary gave a connection back, as metrics label it. The set is fixed. */
export const RETURN_REASONS = [
  'no-successor',
  'successor-gone',
  'successor-refused',
  'timeout',
  'busy',
  'withdrawn',
] as const

export type ReturnReason = (typeof RETURN_REASONS)[number]

/** What travels beside the handle. */
export interface HandoverBody {
  /** Bytes of the client that were read and not parsed, base64. */
  readonly head: string
  /** The session's state: any JSON. */
  readonly state: unknown
}

/** From a worker to the primary. `id` is the sender's in the first two, the primary's in the others. */
export type HandoverReport =
  | ({ readonly kind: 'transfer-offer'; readonly id: number } & HandoverBody)
  /** The old worker has waited long enough and asks for a decision. */
  | { readonly kind: 'transfer-withdraw'; readonly id: number }
  | { readonly kind: 'transfer-taken'; readonly id: number }
  | { readonly kind: 'transfer-refused'; readonly id: number }

/** From the primary to a worker. `id` is the old worker's in the first two, the primary's in the others. */
export type HandoverOrder =
  /** The successor has it. */
  | { readonly kind: 'transfer-moved'; readonly id: number }
  /** It is untouched: the old worker goes on with it. */
  | { readonly kind: 'transfer-returned'; readonly id: number; readonly reason: ReturnReason }
  | ({ readonly kind: 'transfer-arrival'; readonly id: number } & HandoverBody)
  | { readonly kind: 'transfer-go'; readonly id: number }
  /** Too late: close the handle. */
  | { readonly kind: 'transfer-drop'; readonly id: number }

/** The report that `value` is, or null: the channel carries other messages too. */
export function parseHandoverReport(value: unknown): HandoverReport | null {
  if (!isNumbered(value)) return null
  const { kind, id } = value
  switch (kind) {
    case 'transfer-offer':
      return isHandoverBody(value) ? { kind, id, head: value.head, state: value.state } : null
    case 'transfer-withdraw':
    case 'transfer-taken':
    case 'transfer-refused':
      return { kind, id }
    default:
      return null
  }
}

/** The order that `value` is, or null. */
export function parseHandoverOrder(value: unknown): HandoverOrder | null {
  if (!isNumbered(value)) return null
  const { kind, id } = value
  switch (kind) {
    case 'transfer-arrival':
      return isHandoverBody(value) ? { kind, id, head: value.head, state: value.state } : null
    case 'transfer-moved':
    case 'transfer-go':
    case 'transfer-drop':
      return { kind, id }
    case 'transfer-returned': {
      const reason = RETURN_REASONS.find((known) => known === value['reason'])
      return reason === undefined ? null : { kind, id, reason }
    }
    default:
      return null
  }
}

interface Numbered {
  readonly kind: string
  readonly id: number
  readonly [key: string]: unknown
}

function isNumbered(value: unknown): value is Numbered {
  return (
    typeof value === 'object' &&
    value !== null &&
    'kind' in value &&
    'id' in value &&
    typeof value.kind === 'string' &&
    Number.isInteger(value.id)
  )
}

function isHandoverBody(value: Numbered): value is Numbered & HandoverBody {
  return typeof value['head'] === 'string' && 'state' in value
}
