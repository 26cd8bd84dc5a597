/* global location, history, sessionStorage */
/** The fields of the connection: filled from the address or from the last time in this tab. */
import { ownHost } from './foreign-host.js'

const REMEMBERED = 'wazo-websocketd-console'

export class Settings {
  #fields

  /** `fields`: the inputs `host`, `token`, `names`, `version` and `keep` (whether the token may be kept). */
  constructor(fields) {
    this.#fields = fields
    fields.keep.addEventListener('change', () => this.remember())
  }

  get host() {
    return this.#fields.host.value.trim()
  }

  get token() {
    return this.#fields.token.value.trim()
  }

  set token(token) {
    this.#fields.token.value = token
  }

  get version() {
    return Number(this.#fields.version.value)
  }

  /** Event names, each once; every event if there are none. */
  get names() {
    const names = this.#fields.names.value.split(',').map((name) => name.trim())
    const given = names.filter((name) => name !== '')
    return given.length === 0 ? ['*'] : [...new Set(given)]
  }

  /** Fills the fields. Returns whether there is a token to connect with. */
  fill() {
    const fragment = fromFragment()
    const given = fragment.token === undefined ? remembered() : fragment
    const { host, token, names, version, keep } = this.#fields
    host.value = given.host ?? ownHost()
    token.value = given.token ?? ''
    names.value = Array.isArray(given.names) ? given.names.join(', ') : (given.names ?? '*')
    version.value = String(given.version ?? 2) === '1' ? '1' : '2'
    keep.checked = fragment.token === undefined && given.token !== undefined
    return token.value !== ''
  }

  forgetHost() {
    this.#fields.host.value = ownHost()
  }

  /** For a reload of this tab only. The token is kept if the user asks for it: else it is in the memory of the page alone. */
  remember() {
    const { host, names, version } = this
    const token = this.#fields.keep.checked ? { token: this.token } : {}
    try {
      sessionStorage.setItem(REMEMBERED, JSON.stringify({ host, names, version, ...token }))
    } catch {
      // Storage may be switched off; then a reload begins with empty fields.
    }
  }
}

function remembered() {
  try {
    return JSON.parse(sessionStorage.getItem(REMEMBERED)) ?? {}
  } catch {
    return {}
  }
}

/**
 * What the address says after `#` (token, names, version, host), which no server ever sees; it is then
 * removed from the address bar.
 */
function fromFragment() {
  const given = Object.fromEntries(new URLSearchParams(location.hash.slice(1)))
  if (given.token !== undefined) history.replaceState(null, '', location.pathname + location.search)
  return given
}
