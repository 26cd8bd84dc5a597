import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { clientFrame } from '../../support/frames.js'
import type { Phase, Session } from '../checker/history.js'
import { now } from './clock.js'

const CLOSE_MS_MAX = 3000
const CONNECTION_LOST = 1006

/** How a client loses its connection: reset, with half a frame sent, or after it has not read for a while. */
export const CUTS = ['reset', 'half a frame', 'frozen'] as const
export type Cut = (typeof CUTS)[number]

/** What a reply will change. */
interface Asked {
  readonly op: string
  readonly at: number
  readonly answered: (askedAt: number, data: unknown) => void
}

/** A position, and the name of the session that has read it. */
export interface PositionRead {
  readonly id: string
  readonly session: string
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer Item)[] ? Item[] : T[K] }

export interface WitnessOptions {
  readonly url: string
  readonly name: string
  /** Index of the edge host. */
  readonly host: number
  readonly version: 1 | 2
  readonly token: { readonly token: string; readonly session_uuid: string }
  /** The session has positions, and presents this one, or none (null): those of clients that are cut off have. */
  readonly resume?: PositionRead | null
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
  private reached: string | null = null

  constructor({ url, name, host, version, token, resume, received = () => undefined }: WitnessOptions) {
    this.received = received
    this.token = token.session_uuid
    this.record = {
      ...{ name, host, token: token.session_uuid, connectedAt: now(), startAskedAt: null },
      ...(resume === undefined ? {} : { isCut: true as const }),
      ...(resume == null ? {} : { goesOn: { from: resume.session, why: 'no answer' } }),
      ...{ phases: [], ids: [], times: [], end: null },
    }
    const address = new URL(url)
    address.searchParams.set('token', token.token)
    address.searchParams.set('version', String(version))
    if (resume !== undefined) address.searchParams.set('resume', resume?.id ?? '')
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

  /** The last position that it has read; null: it has none. */
  get position(): PositionRead | null {
    return this.reached === null ? null : { id: this.reached, session: this.record.name }
  }

  subscribe(name: string): void {
    this.ask('subscribe', { event_name: name }, (at) => {
      this.subscriptions = [...this.subscriptions, name]
      if (this.hasStarted) this.begin(at)
    })
  }

  start(): void {
    this.record.startAskedAt = now()
    this.ask('start', undefined, (at, data) => {
      this.hasStarted = true
      if (data !== null) this.placed(data as { id: string; why?: string })
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

  /** Loses the connection; reads nothing from now on. Resolves with the end; `frozen` takes `frozenMs`. */
  async cut(how: Cut, frozenMs: number): Promise<void> {
    const tcp = (this.socket as unknown as { _socket: Socket | null })._socket
    if (tcp === null || !this.open) return
    this.record.end = { at: now(), code: CONNECTION_LOST, byClient: true }
    tcp.pause()
    if (how === 'half a frame') tcp.write(clientFrame('{"op":"ping","data":{"payload":1}}').subarray(0, 9))
    if (how === 'frozen') await sleep(frozenMs)
    if (how === 'half a frame') tcp.destroySoon()
    else tcp.resetAndDestroy()
    await this.ended
  }

  private placed({ id, why = null }: { readonly id: string; readonly why?: string | null }): void {
    this.reached = id
    if (this.record.goesOn !== undefined) this.record.goesOn = { ...this.record.goesOn, why }
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
    if (this.record.end?.code === CONNECTION_LOST) return
    const message = JSON.parse(data.toString('utf8')) as { op?: string; id?: string; data?: unknown }
    const event = message.op === 'event' ? message.data : message.op === undefined ? message : null
    if (event !== null) {
      this.keep(event as { data: { n: number } })
      this.reached = message.id ?? null
      return
    }
    const at = this.waiting.findIndex(({ op }) => op === message.op)
    if (at === -1) return // init
    const [asked] = this.waiting.splice(at, 1)
    asked!.answered(asked!.at, message.data ?? null)
  }

  private keep({ data: { n } }: { data: { n: number } }): void {
    this.record.ids.push(n)
    this.record.times.push(now())
    this.received(n)
  }
}
