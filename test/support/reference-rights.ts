/** Who may see which event, written straight from the contract and independently of the programs under test. */

/** Deliberate faults of the reference server, each against one rule of the contract. */
export const BUGS = [
  'reserialises',
  'ignores-tenant',
  'ignores-user',
  'missing-acl-is-null',
  'delivers-twice',
  'overtakes',
  'starts-early',
  'keeps-early-events',
  'auth-down-is-4002',
  'ignores-deny',
  'body-wins',
  'false-header-counts',
  'raw-token',
  'ignores-deletion',
  'positions-for-all',
  'resumes-twice',
  'resumes-late',
  'position-gives-rights',
  'start-forgets-the-way',
] as const

export type Bug = (typeof BUGS)[number]

/** What wazo-auth says about a token. */
export interface Token {
  readonly session_uuid: string
  readonly acl: readonly string[]
  readonly utc_expires_at: string
  readonly metadata: { uuid: string; tenant_uuid: string; purpose: string; admin: boolean }
}

/** An event as a session is judged against it. */
export interface Event {
  readonly name: string
  readonly tenant: unknown
  readonly acl: string | null
  readonly everyone: boolean
  readonly users: ReadonlySet<string>
  readonly deletedSession: unknown
  readonly body: string
}

type Keys = Readonly<Record<string, unknown>>

const BODY_BYTES_MAX = 1024 * 1024
/** What Python's json.dumps writes for numbers that JSON has not, and texts, in which it means nothing. */
const PYTHON = /"(?:[^"\\]|\\.)*"|(?<![\w.+-])(?:NaN|-?Infinity)(?![\w.])/g

/** The event in a message of the bus, or null when it is none or of another Wazo. */
export function readEvent(content: Buffer, headers: Keys, uuid: string, bug?: Bug): Event | null {
  if (content.length > BODY_BYTES_MAX) return null
  let text: string
  let root: unknown
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(content)
    root = JSON.parse(text.replace(PYTHON, (match) => (match.startsWith('"') ? match : '0')))
  } catch {
    return null
  }
  if (typeof root !== 'object' || root === null || Array.isArray(root)) return null
  const body = root as Keys
  const [first, second] = bug === 'body-wins' ? [body, headers] : [headers, body]
  const key = (name: string): unknown => (Object.hasOwn(first, name) ? first[name] : second[name])
  const acl = key('required_acl')
  const name = key('name')
  if (typeof name !== 'string' || key('origin_uuid') !== uuid) return null
  if (acl === undefined && bug !== 'missing-acl-is-null') return null
  if (acl !== undefined && acl !== null && typeof acl !== 'string') return null
  const users = Object.keys(headers).filter((header) => header.startsWith('user_uuid:'))
  const named = users.filter((header) => bug === 'false-header-counts' || headers[header] === true)
  const data = body['data'] as Keys | null | undefined
  return {
    name,
    tenant: key('tenant_uuid'),
    acl: acl ?? null,
    everyone: key('user_uuid:*') === true,
    users: new Set(named.map((header) => header.slice('user_uuid:'.length))),
    deletedSession: name === 'auth_session_deleted' ? data?.['uuid'] : undefined,
    body: bug === 'reserialises' ? JSON.stringify(root) : text,
  }
}

/** Whether a session with this token may see the event (C4.4 to C4.11). */
export function maySee(token: Token, event: Event, masterTenant: string, bug?: Bug): boolean {
  const { uuid, tenant_uuid: tenant, admin, purpose } = token.metadata
  const master = tenant === masterTenant
  if (!master && event.tenant !== tenant && bug !== 'ignores-tenant') return false
  const isAdmin = master || admin || purpose === 'internal' || purpose === 'external_api'
  if (!isAdmin && !event.everyone && !event.users.has(uuid) && bug !== 'ignores-user') return false
  return event.acl === null || aclAllows(token, event.acl, bug)
}

function aclAllows({ acl, metadata, session_uuid }: Token, required: string, bug?: Bug): boolean {
  const hit = (pattern: string) => matches(pattern, required, metadata.uuid, session_uuid)
  const denied = acl.some((pattern) => pattern.startsWith('!') && hit(pattern.slice(1)))
  if (denied && bug !== 'ignores-deny') return false
  return acl.some((pattern) => !pattern.startsWith('!') && hit(pattern))
}

type Step = 'star' | 'hash' | readonly string[]

/** Walks pattern and string as a table of states: slow, simple, and never exponential. */
function matches(pattern: string, text: string, user: string, session: string): boolean {
  const steps: Step[] = pattern.split('.').flatMap((word, at): Step[] => {
    const dot: Step[] = at === 0 ? [] : [['.']]
    if (word === 'me') return [...dot, ['me', user]]
    if (word === 'my_session') return [...dot, ['my_session', session]]
    if (word === 'edit') return [...dot, ['edit', 'update']]
    const characters = word.split('').map((c): Step => (c === '*' ? 'star' : c === '#' ? 'hash' : [c]))
    return [...dot, ...characters]
  })
  let positions = new Set([0])
  for (const step of steps) {
    const next = new Set<number>()
    for (const from of positions) {
      if (typeof step !== 'string') {
        for (const word of step) if (text.startsWith(word, from)) next.add(from + word.length)
        continue
      }
      for (let to = from; to <= text.length; to++) {
        next.add(to)
        if (step === 'star' && (text[to] === '.' || text[to] === '#')) break
      }
    }
    positions = next
  }
  return positions.has(text.length)
}
