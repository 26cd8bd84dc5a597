import { WebSocket, type ClientOptions } from 'ws'

/** How a session ended, as the client saw it; code 1006 when the connection just broke. */
export interface Closed {
  readonly code: number
  readonly reason: string
}

export interface ConnectOptions {
  readonly token?: string
  readonly version?: number | string
  /** More query parameters, already encoded: `a=b&c=d`. */
  readonly query?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly socket?: ClientOptions
  /** Default deadline of `next` and `nextText`. */
  readonly timeoutMs?: number
}

/** A message of the server, parsed. Events of version 1 have other keys. */
export type Message = Record<string, unknown>

const TIMEOUT_MS = 5000

/**
 * A WebSocket client that keeps every message until a test asks for it, so that no wait can race with an
 * arrival. Every wait has a deadline, and fails at once when the session ends instead.
 */
export class Client {
  readonly socket: WebSocket
  /** Resolves, never rejects, when the session has ended. */
  readonly closed: Promise<Closed>
  /** Resolves with the upgrade done; rejects when the server refused it (`Unexpected server response: 403`). */
  readonly opened: Promise<void>
  private readonly timeoutMs: number
  private readonly texts: string[] = []
  private port = 0
  private ended: Closed | undefined
  private wake: (() => void) | undefined

  constructor(url: string, options: ConnectOptions = {}) {
    const address = new URL(url)
    if (options.query !== undefined) address.search = options.query
    if (options.token !== undefined) address.searchParams.append('token', options.token)
    if (options.version !== undefined) address.searchParams.append('version', String(options.version))
    this.timeoutMs = options.timeoutMs ?? TIMEOUT_MS
    this.socket = new WebSocket(address, {
      perMessageDeflate: false,
      ...options.socket,
      headers: { ...options.headers },
    })
    this.socket.on('message', (data: Buffer) => {
      this.texts.push(data.toString('utf8'))
      this.wake?.()
    })
    this.socket.once('upgrade', ({ socket }) => (this.port = socket.localPort ?? 0))
    this.opened = new Promise((resolve, reject) => {
      this.socket.once('open', () => resolve())
      this.socket.on('error', reject)
      this.socket.once('close', () => reject(new Error('closed before the upgrade')))
    })
    this.opened.catch(() => {}) // who does not wait for the upgrade looks at `closed`
    this.closed = new Promise((resolve) => {
      this.socket.once('close', (code: number, reason: Buffer) => {
        this.ended = { code, reason: reason.toString('utf8') }
        this.wake?.()
        resolve(this.ended)
      })
    })
  }

  /** The port of this end of the connection, which tells connections apart; 0 before the upgrade. */
  get localPort(): number {
    return this.port
  }

  /** Sends a value as JSON, or text as it is. */
  send(message: object | string): this {
    const text = typeof message === 'string' ? message : JSON.stringify(message)
    if (this.socket.readyState === WebSocket.CONNECTING)
      this.socket.once('open', () => this.socket.send(text))
    else this.socket.send(text)
    return this
  }

  /** The oldest message not yet asked for, byte for byte. */
  async nextText(timeoutMs = this.timeoutMs): Promise<string> {
    const deadline = performance.now() + timeoutMs
    for (;;) {
      const text = this.texts.shift()
      if (text !== undefined) return text
      if (this.ended !== undefined)
        throw new Error(`closed with ${this.ended.code} "${this.ended.reason}" instead of a message`)
      const left = deadline - performance.now()
      if (left <= 0) throw new Error(`no message within ${timeoutMs} ms`)
      await this.arrival(left)
    }
  }

  /** The same, parsed. */
  async next(timeoutMs = this.timeoutMs): Promise<Message> {
    return JSON.parse(await this.nextText(timeoutMs)) as Message
  }

  /** Sends an op and gives the next message, which is taken to be its reply. */
  ask(op: string, data?: unknown): Promise<Message> {
    return this.send(data === undefined ? { op } : { op, data }).next()
  }

  /** From `init` to `start`: subscribes to each name and starts. Throws when a reply is not the expected one. */
  async start(...names: string[]): Promise<this> {
    const replies = [{ op: 'init' }, ...names.map(() => ({ op: 'subscribe' })), { op: 'start' }]
    for (const name of names) this.send({ op: 'subscribe', data: { event_name: name } })
    this.send({ op: 'start' })
    for (const { op } of replies) {
      const reply = await this.next()
      if (reply['op'] !== op || reply['code'] !== 0)
        throw new Error(`expected the reply to ${op}, got ${JSON.stringify(reply)}`)
    }
    return this
  }

  /** Messages that have arrived and were not asked for, in order; they are taken. */
  take(): string[] {
    return this.texts.splice(0)
  }

  /** How many messages wait. */
  get waiting(): number {
    return this.texts.length
  }

  /** Fails when a message arrives within `ms`. */
  async silence(ms: number): Promise<void> {
    if (this.texts.length === 0 && this.ended === undefined) await this.arrival(ms)
    if (this.ended !== undefined) throw new Error(`closed with ${this.ended.code} "${this.ended.reason}"`)
    const text = this.texts[0]
    if (text !== undefined) throw new Error(`expected silence, got ${text.slice(0, 200)}`)
  }

  /** Closes in order and waits for the end. */
  async close(code = 1000): Promise<Closed> {
    this.socket.close(code)
    const timer = setTimeout(() => this.socket.terminate(), 2000)
    const closed = await this.closed
    clearTimeout(timer)
    return closed
  }

  private arrival(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.wake?.(), ms)
      this.wake = () => {
        clearTimeout(timer)
        this.wake = undefined
        resolve()
      }
    })
  }
}

/** Connects; messages are kept from the first on. Does not wait: use `opened`, `next` or `closed`. */
export function connect(url: string, options: ConnectOptions = {}): Client {
  return new Client(url, options)
}
