/* global location */
/**
 * Asks before a token goes to another server than the one that this page comes from. A link may name any server, and
 * the token that is typed afterwards would go there.
 */

export class ForeignHost {
  #dialog
  #name
  /** Other servers that the user has agreed to, until the page is loaded again. */
  #agreedTo = new Set()
  #answer = () => {}

  /** `dialog`, the element in it that shows the host, and its buttons. */
  constructor({ dialog, name, accept, refuse }) {
    this.#dialog = dialog
    this.#name = name
    accept.addEventListener('click', () => this.#end(true))
    refuse.addEventListener('click', () => this.#end(false))
    dialog.addEventListener('cancel', () => this.#end(false))
  }

  /** Whether the token may go to `url`: at once, or when the user has answered; null: the question was taken back. */
  async mayHaveToken({ host }) {
    if (host === location.host || this.#agreedTo.has(host)) return true
    this.#answer(null)
    this.#name.textContent = host
    if (!this.#dialog.open) this.#dialog.showModal()
    const agreed = await new Promise((resolve) => (this.#answer = resolve))
    if (agreed === true) this.#agreedTo.add(host)
    return agreed
  }

  /** Takes the question back. */
  close() {
    this.#end(null)
  }

  #end(agreed) {
    this.#dialog.close()
    this.#answer(agreed)
    this.#answer = () => {}
  }
}

/** The WebSocket URL that `host` means: a whole ws(s):// address, or host[:port][/path]. Throws on anything else. */
export function parseHost(host) {
  const scheme = location.protocol === 'https:' ? 'wss://' : 'ws://'
  const url = new URL(/^[a-z]+:\/\//i.test(host) ? host : scheme + host)
  if (url.protocol === 'http:') url.protocol = 'ws:'
  if (url.protocol === 'https:') url.protocol = 'wss:'
  if (url.protocol !== 'ws:' && url.protocol !== 'wss:') throw new TypeError('not a WebSocket address')
  url.hash = ''
  return url
}

/** The server of this page, with the prefix that a proxy may have put before its path. */
export function ownHost() {
  return location.host + location.pathname.replace(/console\/?$/, '')
}
