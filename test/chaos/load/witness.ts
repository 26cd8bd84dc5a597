import { WebSocket } from 'ws'
import type { Phase, Session } from '../checker/history.js'
import { now } from './clock.js'

const CLOSE_MS_MAX = 3000

/** What a reply will change. */
interface Asked {
  readonly op: string
  readonly at: number
  readonly answered: (askedAt: number) => void
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer Item)[] ? Item[] : T[K] }

export interface WitnessOptions {
  readonly url: string
  readonly name: string
  /** Index of the edge host. */
  readonly host: number
  readonly version: 1 | 2
  readonly token: { readonly token: string; readonly session_uuid: string }
  /** Called with the id of each event that comes. */
  readonly received?: (id: number) => void
}

/** One WebSocket session, which remembers all that the checker has to know of it. */
export class Witness {
  /** Resolves when the upgrade was done, with false when there was none. */
  readonly opened: Promise<boolean>
  readonly ended: Promise<void>
  private readonly socket: WebSocket
  private readonly received: (id: number) => void
  private readonly record: Mutable<Session>
  private readonly waiting: Asked[] = []
  private subscriptions: string[] = []
  private token: string
  private hasStarted = false

  constructor({ url, name, host, version, token, received = () => undefined }: WitnessOptions) {
    this.received = received
    this.token = token.session_uuid
    this.record = {
      ...{ name, host, token: token.session_uuid, connectedAt: now(), startAskedAt: null },
      ...{ phases: [], ids: [], times: [], end: null },
    }
    const address = new URL(url)
    address.searchParams.set('token', token.token)
    address.searchParams.set('version', String(version))
    this.socket = new WebSocket(address, { perMessageDeflate: false })
    this.socket.on('message', (data: Buffer) => this.take(data))
    this.socket.on('error', () => undefined)
    this.opened = new Promise((resolve) => {
      this.socket.once('open', () => resolve(true))
      this.socket.once('close', () => resolve(false))
    })
    this.ended = new Promise((resolve) => {
      this.socket.once('close', (code: number) => {
        this.record.end ??= { at: now(), code, byClient: false }
        resolve()
      })
    })
  }

  get started(): boolean {
    return this.hasStarted
  }

  get open(): boolean {
    return this.record.end === null
  }

  /** All of it, also while the session goes on. */
  get session(): Session {
    return this.record
  }

  subscribe(name: string): void {
    this.ask('subscribe', { event_name: name }, (at) => {
      this.subscriptions = [...this.subscriptions, name]
      if (this.hasStarted) this.begin(at)
    })
  }

  start(): void {
    this.record.startAskedAt = now()
    this.ask('start', undefined, (at) => {
      this.hasStarted = true
      this.begin(at)
    })
  }

  renew(token: { readonly token: string; readonly session_uuid: string }): void {
    this.record.tokenAsked = { token: token.session_uuid, at: now() }
    this.ask('token', { token: token.token }, (at) => {
      this.token = token.session_uuid
      if (this.hasStarted) this.begin(at)
    })
  }

  /** Closes as a client; resolves with the end. */
  async close(): Promise<void> {
    this.record.end ??= { at: now(), code: 1000, byClient: true }
    this.socket.close(1000)
    const timer = setTimeout(() => this.socket.terminate(), CLOSE_MS_MAX)
    await this.ended
    clearTimeout(timer)
  }

  private ask(op: string, data: object | undefined, answered: Asked['answered']): void {
    if (this.socket.readyState !== WebSocket.OPEN) return
    this.waiting.push({ op, at: now(), answered })
    this.socket.send(JSON.stringify(data === undefined ? { op } : { op, data }))
  }

  private begin(askedAt: number): void {
    const { token, subscriptions } = this
    const phase: Phase = { from: this.record.ids.length, token, subscriptions, askedAt, answeredAt: now() }
    this.record.phases.push(phase)
  }

  private take(data: Buffer): void {
    const message = JSON.parse(data.toString('utf8')) as { op?: string; data?: unknown }
    const event = message.op === 'event' ? message.data : message.op === undefined ? message : null
    if (event !== null) {
      this.keep(event as { data: { n: number } })
      return
    }
    const at = this.waiting.findIndex(({ op }) => op === message.op)
    if (at === -1) return // init
    const [asked] = this.waiting.splice(at, 1)
    asked!.answered(asked!.at)
  }

  private keep({ data: { n } }: { data: { n: number } }): void {
    this.record.ids.push(n)
    this.record.times.push(now())
    this.received(n)
  }
}
