/** A client of the server under test, speaking nothing but WebSocket. */
import type { Socket } from 'node:net'
import { WebSocket } from 'ws'
import { PATIENCE_MS } from './environment.js'

/** How a connection ended. */
export interface Ended {
  readonly code: number
  readonly reason: string
  readonly reasonBytes: number
}

export interface OpenOptions {
  readonly path?: string
  /** Everything after the `?`, as it stands. */
  readonly query?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** The server answered the upgrade with an HTTP status instead. */
export class UpgradeRefused extends Error {
  override name = 'UpgradeRefused'
  readonly status: number

  constructor(status: number) {
    super(`upgrade refused with HTTP status ${status}`)
    this.status = status
  }
}

type Waiter = (message: string | null) => void

/** One connection. Messages queue up, so that no wait can come too late. */
export class Session {
  /** Resolves when the connection ended. */
  readonly ended: Promise<Ended>
  readonly #socket: WebSocket
  readonly #messages: string[] = []
  #waiter: Waiter | null = null
  #end: Ended | null = null

  private constructor(socket: WebSocket) {
    this.#socket = socket
    socket.on('message', (data: Buffer, binary: boolean) => {
      const text = binary ? `binary frame: ${data.toString('hex')}` : data.toString('utf8')
      if (this.#waiter) this.#waiter(text)
      else this.#messages.push(text)
    })
    socket.on('error', () => undefined) // a close follows
    this.ended = new Promise((resolve) => {
      socket.on('close', (code: number, reason: Buffer) => {
        this.#end = { code, reason: reason.toString('utf8'), reasonBytes: reason.length }
        resolve(this.#end)
        this.#waiter?.(null)
      })
    })
  }

  /** Resolves when the upgrade is done. Rejects with `UpgradeRefused` when the server answers otherwise. */
  static open(base: string, options: OpenOptions = {}): Promise<Session> {
    const url = `${base.replace(/\/$/, '')}${options.path ?? '/'}${options.query ? `?${options.query}` : ''}`
    const socket = new WebSocket(url, {
      headers: { ...options.headers },
      perMessageDeflate: false,
      handshakeTimeout: PATIENCE_MS,
    })
    const session = new Session(socket) // before 'open', or the first messages would be missed
    return new Promise((resolve, reject) => {
      socket.once('open', () => resolve(session))
      socket.once('unexpected-response', (_request, response) => {
        reject(new UpgradeRefused(response.statusCode ?? 0))
        socket.terminate()
      })
      socket.once('error', reject)
    })
  }

  /** The next message, waiting for it. Fails when the connection ends or nothing comes. */
  async next(patienceMs = PATIENCE_MS): Promise<string> {
    const queued = this.#messages.shift()
    if (queued !== undefined) return queued
    if (this.#end) throw new Error(`no further message: closed with ${this.#end.code} ${this.#end.reason}`)
    const message = await new Promise<string | null>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiter = null
        reject(new Error(`no message within ${patienceMs} ms`))
      }, patienceMs)
      this.#waiter = (text) => {
        clearTimeout(timer)
        this.#waiter = null
        resolve(text)
      }
    })
    if (message !== null) return message
    const { code, reason } = await this.ended
    throw new Error(`no further message: closed with ${code} ${reason}`)
  }

  /** The next message as JSON. */
  async json(patienceMs = PATIENCE_MS): Promise<unknown> {
    return JSON.parse(await this.next(patienceMs))
  }

  /** Waits for the end of the connection and gives back what was still unread before it. */
  async end(patienceMs = PATIENCE_MS): Promise<Ended & { unread: string[] }> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`not closed within ${patienceMs} ms`)), patienceMs)
    })
    try {
      const ended = await Promise.race([this.ended, late])
      return { ...ended, unread: this.#messages.splice(0) }
    } finally {
      clearTimeout(timer)
    }
  }

  /** Sends an op, or text exactly as it stands. */
  send(message: string | object): void {
    this.#socket.send(typeof message === 'string' ? message : JSON.stringify(message))
  }

  sendBinary(bytes: Buffer): void {
    this.#socket.send(bytes, { binary: true })
  }

  /** Writes bytes below the WebSocket layer, in one packet. */
  write(bytes: Buffer): void {
    this.#tcp().write(bytes)
  }

  /** Stops reading, so that what the server sends piles up. */
  pause(): void {
    this.#tcp().pause()
  }

  resume(): void {
    this.#tcp().resume()
  }

  close(): void {
    this.#socket.terminate()
  }

  #tcp(): Socket {
    return (this.#socket as unknown as { _socket: Socket })._socket
  }
}
