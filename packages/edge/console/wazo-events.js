/* global WebSocket */
/**
 * A client of Wazo's events for the browser. It needs no library and no other file: copy it. It reconnects, goes on from the
 * last event that it has dealt with, asks for another token when its own has ended, and renews the token of a running
 * session. PROTOCOL.md has the rules; docs/clients/browser.html and the live page of the edge use this file.
 *
 *   const events = new WazoEvents({ url, names: ['call_created'], getToken, onEvent, onLoadState, onGiveUp })
 *   void events.open()
 */

const RETRY_MS_FIRST = 1000
const RETRY_MS_MAX = 30_000
const LASTED_MS = 60_000 // after such a session the next wait begins anew
const PING_EVERY_MS = 20_000

export const GIVE_UP = new Set([1002, 1007, 1008, 1009, 4001, 4004]) // a fault of the program, or a limit
export const NEW_TOKEN = new Set([4002, 4003]) // the token is of no use any more

/** What stands before the body of an event of version 2. The body is cut out, because parsing would round big integers. */
const BEFORE_BODY = /^\{"op":"event","code":0,(?:"id":"([^"]*)",)?"data":/

export class WazoEvents {
  #options
  #socket = null
  #started = false
  #position = '' // behind the last event that was dealt with; empty: none yet
  #tries = 0
  #closed = false
  #retryTimer
  #pingTimer

  /**
   * `url`: wss://HOST/api/websocketd/. `names`: of events; ['*'] is every event. `version`: 2 if absent; 1 has no positions.
   * `getToken(refused)`: the promise of a token. `refused`: the last one is of no use (the same again: there is no other).
   * `onEvent(body, text)`: an event, parsed, and exactly as it was published.
   * `onLoadState(why)`: events may have been missed, and at the first time: load what you show over REST, now.
   * `onGiveUp(code, reason)`: it will not come back.
   * Optional: `onState(state, detail)`, where `live` has {resumed, why}, `closed` {code, reason, lastedMs}, `waiting` {ms
   * until the next try}, `connecting` and `renewed` nothing; `onPong(ms)`.
   */
  constructor(options) {
    this.#options = { version: 2, onState() {}, onPong() {}, ...options }
  }

  /** Connects, and stays connected until `close`. */
  async open() {
    const { url, version, getToken, onState } = this.#options
    onState('connecting', {})
    const token = await getToken(false).catch(() => null)
    if (this.#closed) return
    if (token === null) return this.#retry() // wazo-auth does not answer
    const address = new URL(url)
    address.searchParams.set('token', token) // a browser cannot send a header with it
    address.searchParams.set('version', String(version))
    if (version === 2) address.searchParams.set('resume', this.#position)
    const socket = (this.#socket = new WebSocket(address))
    const begin = Date.now()
    let heard = true
    this.#started = false
    this.#pingTimer = setInterval(() => {
      if (!heard) return void this.#ended(1006, 'no answer', token, begin) // the other end is gone, without a word
      heard = false
      this.ping()
      // The answer to another `start` has a position: without it that of a quiet session gets too old.
      if (this.#started && this.#position !== '') this.#send('start')
    }, PING_EVERY_MS)
    socket.onmessage = ({ data }) => {
      heard = true
      this.#received(data)
    }
    socket.onclose = ({ code, reason }) => void this.#ended(code, reason, token, begin)
  }

  /** Replaces the token of the session that runs. A bad one ends it (4002). Version 1 does not answer. */
  renew = (token) => this.#send('token', { token })
  /** Asks the server for a sign of life: `onPong`. */
  ping = () => this.#send('ping', { payload: performance.now() })

  close() {
    this.#closed = true
    clearTimeout(this.#retryTimer)
    this.#leave()
  }

  #received(text) {
    const [prefix, id] = BEFORE_BODY.exec(text) ?? []
    if (prefix !== undefined) {
      const body = text.slice(prefix.length, -1)
      this.#options.onEvent(parse(body), body)
      return void (this.#position = id ?? '') // when the event has been dealt with, not before
    }
    const message = parse(text)
    const { op, data } = message ?? {}
    if (op === 'pong') this.#options.onPong(performance.now() - data.payload)
    else if (this.#started && this.#options.version === 1) this.#options.onEvent(message, text)
    else if (op === 'token') this.#options.onState('renewed', {})
    else if (op === 'init') {
      for (const name of this.#options.names) this.#send('subscribe', { event_name: name })
      this.#send('start')
    } else if (op === 'start') {
      const { resumed, id: position, why } = data ?? { resumed: false, id: '', why: 'no positions' }
      this.#position = position
      if (this.#started) return
      this.#started = true
      this.#options.onState('live', { resumed, why })
      if (!resumed) this.#options.onLoadState(why)
      this.ping()
    }
  }

  async #ended(code, reason, token, begin) {
    const { getToken, onState, onGiveUp } = this.#options
    this.#leave()
    const lastedMs = Date.now() - begin
    if (lastedMs > LASTED_MS) this.#tries = 0
    onState('closed', { code, reason, lastedMs })
    const given = NEW_TOKEN.has(code) ? await getToken(true).catch(() => null) : null
    if (this.#closed) return
    if (GIVE_UP.has(code) || given === token) return onGiveUp(code, reason)
    this.#retry()
  }

  #leave() {
    clearInterval(this.#pingTimer)
    if (this.#socket !== null) this.#socket.onmessage = this.#socket.onclose = null
    this.#socket?.close()
  }

  #retry() {
    // At random, so that not all clients of a server come back in the same moment.
    const ms = Math.random() * Math.min(RETRY_MS_FIRST * 2 ** this.#tries++, RETRY_MS_MAX)
    this.#options.onState('waiting', { ms })
    this.#retryTimer = setTimeout(() => void this.open(), ms)
  }

  #send(op, data) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify({ op, data }))
  }
}

/** NaN and Infinity, which daemons in Python may write and JSON does not have, become null. */
function parse(text) {
  try {
    return JSON.parse(text)
  } catch {
    const strings = /"(?:[^"\\]|\\.)*"|-?(?:NaN|Infinity)/g
    return JSON.parse(text.replace(strings, (part) => (part.startsWith('"') ? part : 'null')))
  }
}
