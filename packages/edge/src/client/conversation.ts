import { WebSocket } from 'ws'
import { errorCode } from '@wazo-websocketd/shared/runtime/system-error'
import { parseServerMessage } from './message.js'

const PING_EVERY_MS = 20_000
const HANDSHAKE_MS_MAX = 10_000
const BROKEN = 1006

export interface ConversationOptions {
  /** Without token, version and position. */
  readonly url: URL
  readonly token: string
  readonly names: readonly string[]
  /** Behind the last event; empty: none yet. */
  readonly position: string
  /** `why`: why it does not go on from the position; null: it does. */
  readonly started: (id: string | null, why: string | null) => void
  /** The session is behind everything up to a position, although nothing of it was for this client. */
  readonly passed: (id: string) => void
  readonly event: (body: string, id: string | null) => void
}

/** How a conversation ended. */
export interface End {
  readonly code: number
  /** The server's reason, or what kept the connection from being made. */
  readonly reason: string
  /** HTTP status of a refused upgrade. */
  readonly refused: number | null
}

/** Holds one session of version 2 with positions, from the upgrade to the close frame. */
export class Conversation {
  /** Never rejects. */
  readonly ended: Promise<End>
  private readonly socket: WebSocket
  private readonly options: ConversationOptions
  private readonly pings: NodeJS.Timeout
  private answered = true
  private hasStarted = false
  private hasPosition = false

  constructor(options: ConversationOptions) {
    this.options = options
    const url = new URL(options.url)
    url.searchParams.set('version', '2')
    url.searchParams.set('resume', options.position)
    // In a header, no proxy writes the token into its log.
    const headers = { 'X-Auth-Token': options.token }
    this.socket = new WebSocket(url, { headers, handshakeTimeout: HANDSHAKE_MS_MAX })
    this.pings = setInterval(() => this.ping(), PING_EVERY_MS)
    this.ended = this.untilEnd()
    this.socket.on('message', (data: Buffer) => this.received(data.toString('utf8')))
  }

  /** Renews the session's token; a bad one ends it with 4002. */
  renew(token: string): void {
    this.send('token', { token })
  }

  close(): void {
    this.socket.close(1000)
  }

  private untilEnd(): Promise<End> {
    return new Promise((resolve) => {
      let fault = ''
      let refused: number | null = null
      this.socket.on('error', (error) => (fault ||= faultOf(error)))
      this.socket.on('unexpected-response', (_request, response) => {
        refused = response.statusCode ?? 0
        fault = `the server answers HTTP ${refused} instead of an upgrade`
        this.socket.terminate()
      })
      this.socket.once('close', (code, reason) => {
        clearInterval(this.pings)
        resolve({ code, reason: code === BROKEN ? fault : reason.toString('utf8'), refused })
      })
    })
  }

  private received(text: string): void {
    this.answered = true
    const message = parseServerMessage(text)
    if (message.kind === 'event') this.options.event(message.body, message.id)
    else if (message.kind === 'start') this.started(message.id, message.why)
    else if (message.kind === 'init') {
      for (const name of this.options.names) this.send('subscribe', { event_name: name })
      this.send('start')
    }
  }

  /** The first reply to `start` tells how the session begins, later ones where it is by then. */
  private started(id: string | null, why: string | null): void {
    if (!this.hasStarted) this.options.started(id, why)
    else if (id !== null) this.options.passed(id)
    this.hasStarted = true
    this.hasPosition = id !== null
  }

  /** Another `start` is a ping whose reply has a position: without it that of a quiet session gets too old (C7.11). */
  private ping(): void {
    if (!this.answered) this.socket.terminate()
    else if (this.hasPosition) this.send('start')
    else this.send('ping', { payload: null })
    this.answered = false
  }

  private send(op: string, data?: object): void {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ op, data }))
  }
}

/** What went wrong, in a few words: the messages of system calls repeat every address that was tried. */
function faultOf(error: Error): string {
  return errorCode(error) || error.message
}
