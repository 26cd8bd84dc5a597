/** What a worker is asked on behalf of an operator. Pure: values come from outside, over a primary of another version. */
import { isRecord } from '@wazo-websocketd/shared/domain/guards'

/** Which sessions; absent members admit all. */
export interface SessionFilter {
  readonly user?: string
  readonly tenant?: string
  /** The beginning of the SHA-256 of a token, as logs show it, or all of it. */
  readonly tokenHash?: string
  /** Those whose clients do not take everything at once, or that read the log. */
  readonly slow: boolean
}

export type AdminQuestion =
  | { readonly about: 'status' }
  /** `rowsMax`: rows wanted; all that match are counted. */
  | {
      readonly about: 'sessions'
      readonly filter: SessionFilter
      readonly rowsMax: number
      /** Subscriptions named in a row. */
      readonly namesMax: number
    }
  | { readonly about: 'close'; readonly filter: SessionFilter; readonly code: number }

/** Of a body, or of a query, where all is text. */
const SLOW_VALUES: ReadonlySet<unknown> = new Set([undefined, true, false, 'true', 'false'])
const TOKEN_HASH = /^[0-9a-f]{8,64}$/
const ROWS_MAX = 100_000
const NAMES_MAX = 10_000
const NAMES_DEFAULT = 20

/** The question that `value` is; a text says why it is none. */
export function parseAdminQuestion(value: unknown): AdminQuestion | string {
  if (!isRecord(value)) return 'not a question'
  if (value['about'] === 'status') return { about: 'status' }
  const filter = parseSessionFilter(value)
  if (typeof filter === 'string') return filter
  if (value['about'] === 'sessions') {
    const rowsMax = Number(value['rowsMax'])
    const namesMax = Number(value['names'] ?? NAMES_DEFAULT)
    if (!isCount(rowsMax, ROWS_MAX)) return `rowsMax must be a whole number from 0 to ${ROWS_MAX}`
    if (!isCount(namesMax, NAMES_MAX)) return `names must be a whole number from 0 to ${NAMES_MAX}`
    return { about: 'sessions', filter, rowsMax, namesMax }
  }
  if (value['about'] !== 'close') return 'not a question'
  const { code } = value
  return typeof code === 'number' ? { about: 'close', filter, code } : 'code must be a number'
}

function parseSessionFilter(value: Readonly<Record<string, unknown>>): SessionFilter | string {
  const { user, tenant, tokenHash, slow } = value
  for (const [key, text] of Object.entries({ user, tenant, tokenHash }))
    if (text !== undefined && (typeof text !== 'string' || text === '')) return `${key} must be a text`
  if (tokenHash !== undefined && !TOKEN_HASH.test(tokenHash as string))
    return 'tokenHash must be 8 to 64 digits of the SHA-256 of a token, 0-9 and a-f'
  if (!SLOW_VALUES.has(slow)) return 'slow must be true or false'
  return {
    ...(user === undefined ? {} : { user: user as string }),
    ...(tenant === undefined ? {} : { tenant: tenant as string }),
    ...(tokenHash === undefined ? {} : { tokenHash: tokenHash as string }),
    slow: slow === true || slow === 'true',
  }
}

function isCount(value: number, max: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= max
}
