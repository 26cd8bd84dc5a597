/** What the list tells of an event, read from its text. */

const SNIPPET_CHARACTERS = 240
const USER_KEY = 'user_uuid:'

/**
 * `{ tenant, users, acl, snippet }`; the first three are empty where the body does not say it (it may stand in the
 * headers of the bus only). `users`: the uuids, or `all users`.
 */
export function factsOf(text) {
  const body = parse(text)
  return {
    tenant: typeof body?.tenant_uuid === 'string' ? body.tenant_uuid : '',
    users: usersOf(body),
    acl: aclOf(body?.required_acl),
    snippet: snippetOf(text, body),
  }
}

/** `bytes` in the largest unit that leaves at least 1. */
export function inBytes(bytes) {
  if (bytes < 1024) return `${bytes} B`
  if (bytes < 1024 ** 2) return `${(bytes / 1024).toFixed(1)} KiB`
  return `${(bytes / 1024 ** 2).toFixed(1)} MiB`
}

/** The beginning of a uuid, enough to tell one from another. */
export function shortened(uuid) {
  return uuid.length > 12 ? `${uuid.slice(0, 8)}…` : uuid
}

function usersOf(body) {
  const users = Object.keys(body ?? {})
    .filter((key) => key.startsWith(USER_KEY) && body[key] === true)
    .map((key) => key.slice(USER_KEY.length))
  return users.includes('*') ? ['all users'] : users
}

function aclOf(acl) {
  if (acl === null) return 'none needed'
  return typeof acl === 'string' ? acl : ''
}

/** What is particular to the event: its `data` if it has one, else all of it. */
function snippetOf(text, body) {
  const whole = body?.data === undefined ? text : JSON.stringify(body.data)
  return whole.length > SNIPPET_CHARACTERS ? whole.slice(0, SNIPPET_CHARACTERS) + '…' : whole
}

function parse(text) {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
