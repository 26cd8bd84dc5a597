/**
 * A client for Node 20 or later with `ws` (npm install ws). Copy it: it reconnects, goes on from the last event that it has
 * dealt with, and renews its token. To try it:
 *
 *     WAZO_TOKEN=... node node-client.mjs ws://127.0.0.1:9502/ call_created call_ended
 */
import { pathToFileURL } from 'node:url'
import { WebSocket } from 'ws'

const RETRY_MS_FIRST = 1000
const RETRY_MS_MAX = 30_000
const LASTED_MS = 60_000
const PING_EVERY_MS = 20_000
/** Codes after which the answer would not change: a fault of this program, or a limit. */
const GIVE_UP = new Set([1002, 1007, 1008, 1009, 4001, 4004])
/** The token is of no use any more. */
const NEW_TOKEN = new Set([4002, 4003])

/**
 * @typedef {object} Options
 * @property {string} url wss://HOST/api/websocketd/
 * @property {string[]} names of events; ['*'] is every event
 * @property {(refused: boolean) => Promise<string>} getToken the token;
 *   `refused`: the last one is of no use any more, so that another one is asked for (the same again: there is no other)
 * @property {(body: object) => void} onEvent
 * @property {(why: string) => void} onLoadState load what you show over REST, now: at the first start, and when events were missed
 * @property {(code: number, reason: string) => void} onGiveUp it will not come back
 */

export class WazoEvents {
  /** @type {Options} */ #options
  /** @type {WebSocket | null} */ #socket = null
  #position = ''
  #tries = 0
  #closed = false
  /** @type {NodeJS.Timeout | undefined} */ #timer

  /** @param {Options} options */
  constructor(options) {
    this.#options = options
  }

  /** Connects, and stays connected until `close`. */
  async open() {
    const { url, names, getToken, onEvent, onLoadState, onGiveUp } = this.#options
    const token = await getToken(false).catch(() => null)
    if (this.#closed) return
    if (token === null) return this.#retry() // wazo-auth does not answer
    const address = new URL(url)
    address.searchParams.set('version', '2')
    address.searchParams.set('resume', this.#position)
    const socket = new WebSocket(address, { headers: { 'X-Auth-Token': token }, handshakeTimeout: 10_000 })
    this.#socket = socket
    const begin = Date.now()
    let heard = true
    const pings = setInterval(() => {
      if (!heard) return socket.terminate() // the other end is gone, without a word
      heard = false
      // The answer to another `start` has a position: without it that of a quiet session gets too old.
      if (this.#position !== '') this.#send('start')
      else this.#send('ping', { payload: begin })
    }, PING_EVERY_MS)
    socket.on('message', (data) => {
      heard = true
      const message = parse(data.toString())
      if (message.op === 'init') {
        for (const name of names) this.#send('subscribe', { event_name: name })
        this.#send('start')
      } else if (message.op === 'start') {
        const { resumed, id, why } = message.data ?? { resumed: false, id: '', why: 'no positions' }
        this.#position = id
        if (!resumed) onLoadState(why)
      } else if (message.op === 'event') {
        onEvent(message.data)
        this.#position = message.id ?? '' // when the event has been dealt with, not before
      }
    })
    socket.on('error', () => {}) // 'close' follows
    socket.on('close', async (code, data) => {
      const reason = data.toString()
      clearInterval(pings)
      this.#socket = null
      if (this.#closed) return
      if (GIVE_UP.has(code) || (NEW_TOKEN.has(code) && (await this.#isLast(token))))
        return onGiveUp(code, reason)
      if (Date.now() - begin > LASTED_MS) this.#tries = 0
      this.#retry()
    })
  }

  /** Replaces the token of the session that runs. @param {string} token */
  renew(token) {
    this.#send('token', { token })
  }

  close() {
    this.#closed = true
    clearTimeout(this.#timer)
    this.#socket?.close(1000)
  }

  /** Whether there is no other token than `token`, which is of no use any more. */
  async #isLast(token) {
    return (await this.#options.getToken(true).catch(() => null)) === token
  }

  #retry() {
    const bound = Math.min(RETRY_MS_FIRST * 2 ** this.#tries++, RETRY_MS_MAX)
    this.#timer = setTimeout(() => void this.open(), Math.random() * bound)
  }

  /** @param {string} op @param {object} [data] */
  #send(op, data) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify({ op, data }))
  }
}

/** As JSON.parse; NaN and Infinity, which daemons in Python may write and JSON does not have, become null. @param {string} text */
function parse(text) {
  try {
    return JSON.parse(text)
  } catch {
    const stringsAndOdd = /"(?:[^"\\]|\\.)*"|-?(?:NaN|Infinity)/g
    return JSON.parse(text.replace(stringsAndOdd, (part) => (part.startsWith('"') ? part : 'null')))
  }
}

/** Prints events, a line each. A token for a user and a password comes from wazo-auth: see PROTOCOL.md, "Tokens". */
function main([url = 'ws://127.0.0.1:9502/', ...names]) {
  const client = new WazoEvents({
    url,
    names: names.length === 0 ? ['*'] : names,
    getToken: async () => process.env.WAZO_TOKEN ?? '',
    onEvent: (body) => console.log(JSON.stringify(body)),
    onLoadState: (why) => console.error(`load the state (${why})`),
    onGiveUp: (code, reason) => {
      console.error(`${code} ${reason}`)
      process.exitCode = 1
    },
  })
  process.stdin.on('data', (line) => client.renew(line.toString().trim())) // a line is a new token
  process.stdin.unref()
  process.once('SIGTERM', () => {
    client.close()
    process.stdin.destroy()
  })
  void client.open()
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href)
  main(process.argv.slice(2))
