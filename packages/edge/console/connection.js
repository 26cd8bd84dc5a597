/* global WebSocket, location */
/**
 * One conversation with the server: connect, subscribe, start, events; and again when it makes sense. With version 2 it
 * goes on from the last event that it has got (PROTOCOL.md, "Positions"). To be copied: it needs only `close-codes.js`.
 */
import { comeBackAfterMs } from './close-codes.js'

const PING_INTERVAL_MS = 10_000
const RETRY_MAX_MS = 30_000
/** What stands before the body of an event of version 2. */
const EVENT_PREFIX = /^\{"op":"event","code":0,(?:"id":"[^"]*",)?"data":/

/**
 * Reports to `observer`: `state(name, detail)`, `event(body, parsed)` with the body exactly as it was sent,
 * `roundTrip(milliseconds)`, `closed(code, reason, retryInMs or null)`, `gap(why)` when it could not go on where it was.
 */
export class Connection {
  #settings
  #observer
  #socket = null
  #started = false
  #tries = 0
  /** Behind the last event; empty: none yet. */
  #position = ''
  #retryTimer = null
  #pingTimer = null

  constructor(settings, observer) {
    this.#settings = settings
    this.#observer = observer
  }

  open() {
    this.#observer.state('connecting', this.#tries === 0 ? 'Connecting…' : 'Connecting again…')
    this.#started = false
    const socket = new WebSocket(addressOf(this.#settings, this.#position))
    this.#socket = socket
    socket.onmessage = ({ data }) => this.#received(data)
    socket.onclose = ({ code, reason }) => this.#closed(code, reason)
  }

  /** Ends the conversation for good. */
  close() {
    clearTimeout(this.#retryTimer)
    clearInterval(this.#pingTimer)
    const socket = this.#socket
    this.#socket = null
    if (socket === null) return
    socket.onmessage = null
    socket.onclose = null
    socket.close(1000)
  }

  #send(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message))
  }

  #received(text) {
    const message = parse(text)
    if (!this.#started) return this.#control(message ?? {})
    if (message?.op === 'pong') return this.#control(message)
    if (this.#settings.version === 1) return this.#observer.event(text, message)
    if (message?.op !== 'event') return
    const [prefix] = EVENT_PREFIX.exec(text) ?? []
    const body = prefix === undefined ? JSON.stringify(message.data) : text.slice(prefix.length, -1)
    this.#observer.event(body, message.data)
    this.#position = message.id ?? ''
  }

  #control({ op, data }) {
    if (op === 'init') {
      this.#observer.state('connecting', 'Subscribing…')
      for (const name of this.#settings.names) this.#send({ op: 'subscribe', data: { event_name: name } })
      this.#send({ op: 'start' })
    } else if (op === 'start') {
      this.#started = true
      this.#tries = 0
      this.#observer.state('live', 'Live')
      if (this.#position !== '' && data?.resumed !== true) this.#observer.gap(data?.why ?? 'unknown')
      this.#position = data?.id ?? ''
      this.#pingTimer = setInterval(() => this.#ping(), PING_INTERVAL_MS)
      this.#ping()
    } else if (op === 'pong') this.#observer.roundTrip(performance.now() - data.payload)
  }

  #ping() {
    this.#send({ op: 'ping', data: { payload: performance.now() } })
  }

  #closed(code, reason) {
    clearInterval(this.#pingTimer)
    this.#socket = null
    const first = comeBackAfterMs(code)
    const retryInMs = first === null ? null : jittered(Math.min(first * 2 ** this.#tries, RETRY_MAX_MS))
    this.#tries++
    if (retryInMs !== null) this.#retryTimer = setTimeout(() => this.open(), retryInMs)
    this.#observer.closed(code, reason, retryInMs)
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

/** Whether `host` means another server than the one that this page comes from. Throws as `parseHost` does. */
export function isForeign(host) {
  return parseHost(host).host !== location.host
}

function addressOf({ host, token, version }, position) {
  const url = parseHost(host)
  url.searchParams.set('token', token)
  url.searchParams.set('version', String(version))
  if (version === 2) url.searchParams.set('resume', position)
  return url
}

/** Half to all of `ms`, so that many pages do not come back at the same moment. */
function jittered(ms) {
  return ms * (0.5 + Math.random() / 2)
}

function parse(text) {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
