/** One run of the page's client, from Connect to Disconnect or to where it gives up: what it tells, in words. */
import { meaningOf } from './close-codes.js'
import { inWords } from './connection-log.js'
import { inMilliseconds } from './counters.js'
import { WazoEvents } from './wazo-events.js'

/** Why events may be missing, in words (PROTOCOL.md, "Positions"). */
const GAPS = new Map([
  ['too old', 'the page was away for too long'],
  ['other epoch', 'the server has lost track of the sequence meanwhile'],
  ['unknown', 'the new token sees other events'],
  ['no positions', 'version 1 cannot go on where it was'],
])

export class Session {
  #events
  #parts
  #token
  #lastCode = 1006
  #wasLive = false
  #pinged = false
  #version

  /**
   * `settings`: `{ url, token, names, version }`. `parts`: `status`, `log`, `counters`, `panel`, `codes` and `tokenForm` of
   * the page, and `live(token, first)`, `renewed(token)`, `lost()` and `over()`: a session has begun, has another token,
   * has ended, and will not begin again.
   */
  constructor({ url, token, names, version }, parts) {
    this.#parts = parts
    this.#token = token
    this.#version = version
    this.#events = new WazoEvents({
      url,
      names,
      version,
      getToken: (refused) => this.#getToken(refused),
      onEvent: (body, text) => this.#event(body, text),
      onLoadState: (why) => this.#gap(why),
      onGiveUp: () => parts.over(),
      onState: (state, detail) => this.#states[state](detail),
      onPong: (ms) => this.#pong(ms),
    })
  }

  open() {
    void this.#events.open()
  }

  close() {
    this.#events.close()
    this.#parts.tokenForm.close()
  }

  ping() {
    this.#pinged = true
    this.#events.ping()
  }

  /** Asks for a token, and renews the session with it. */
  async renew() {
    const { tokenForm, log, renewed } = this.#parts
    const asked = tokenForm.ask('Put a new token for this session here.', 'Renew')
    tokenForm.focus()
    const token = await asked
    if (token === null) return
    this.#token = token
    this.#events.renew(token)
    if (this.#version === 1) renewed(token)
    log.add(
      '',
      this.#version === 1 ? 'You gave a new token; version 1 does not answer.' : 'You gave a new token.',
    )
  }

  #states = {
    connecting: () => {
      this.#parts.status.show('connecting', this.#wasLive ? 'Connecting again…' : 'Connecting…')
      this.#parts.log.add('connecting', 'Connecting.')
    },
    live: ({ resumed }) => {
      const { status, log, codes, live } = this.#parts
      status.show('live', 'Live')
      status.notice = ''
      codes.mark(null)
      log.add('live', resumed ? 'Live, going on where it was.' : 'Live, from now on.')
      live(this.#token, !this.#wasLive)
    },
    renewed: () => {
      this.#parts.log.add('', 'The server has taken the new token.')
      this.#parts.renewed(this.#token)
    },
    closed: ({ code, reason, lastedMs }) => {
      const { status, log, codes, lost } = this.#parts
      const why = `${code}${reason === '' ? '' : ` “${reason}”`}: ${meaningOf(code)}`
      lost()
      this.#lastCode = code
      codes.mark(code)
      status.show('refused', `Closed (${code})`)
      status.notice = why
      log.add('refused', `Closed after ${inWords(lastedMs)}. ${why}`)
    },
    waiting: ({ ms }) => {
      this.#parts.counters.reconnect()
      this.#parts.status.wait(`Closed (${this.#lastCode}), trying again`, ms)
    },
  }

  async #getToken(refused) {
    if (!refused) return this.#token
    const { tokenForm } = this.#parts
    // The answer of before, null, is what the client takes for "there is no other".
    this.#token =
      (await tokenForm.ask('This token is of no use any more. Put a new token here.', 'Connect')) ??
      this.#token
    return this.#token
  }

  #event(body, text) {
    const name = typeof body?.name === 'string' ? body.name : '(no name)'
    this.#parts.counters.event(name, this.#parts.panel.add(name, text))
  }

  /** A session that was not resumed; the first one misses nothing. */
  #gap(why) {
    const { status, log } = this.#parts
    if (this.#wasLive) {
      const text = `Events may be missing here: ${GAPS.get(why) ?? 'the server does not say why'} (${why}).`
      status.notice = text
      log.add('', text)
    }
    this.#wasLive = true
  }

  #pong(ms) {
    this.#parts.counters.roundTrip(ms)
    if (this.#pinged) this.#parts.log.add('', `The server answered a ping after ${inMilliseconds(ms)}.`)
    this.#pinged = false
  }
}
