import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'
import type { Session } from '../../support/checker/history.js'
import { clientFrame } from '../../support/frames.js'
import { SessionRecorder, type PositionRead } from '../../support/scenario/recorder.js'
import { now } from './clock.js'

const CLOSE_MS_MAX = 3000
const CONNECTION_LOST = 1006

/** How a client loses its connection: reset, with half a frame sent, or after it has not read for a while. */
export const CUTS = ['reset', 'half a frame', 'frozen'] as const
export type Cut = (typeof CUTS)[number]

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
  private readonly recorder: SessionRecorder

  constructor({ url, version, token, ...options }: WitnessOptions) {
    const { resume } = options
    const send = (text: string): void => {
      if (this.socket.readyState === WebSocket.OPEN) this.socket.send(text)
    }
    this.recorder = new SessionRecorder({ ...options, token: token.session_uuid, now, send })
    const address = new URL(url)
    address.searchParams.set('token', token.token)
    address.searchParams.set('version', String(version))
    if (resume !== undefined) address.searchParams.set('resume', resume?.id ?? '')
    this.socket = new WebSocket(address, { perMessageDeflate: false })
    this.socket.on('message', (data: Buffer) => {
      if (this.session.end?.code !== CONNECTION_LOST) this.recorder.message(data.toString('utf8'))
    })
    this.socket.on('error', () => undefined)
    this.opened = new Promise((resolve) => {
      this.socket.once('open', () => resolve(true))
      this.socket.once('close', () => resolve(false))
    })
    this.ended = new Promise((resolve) => {
      this.socket.once('close', (code: number) => {
        this.recorder.ended(code, false)
        resolve()
      })
    })
  }

  get started(): boolean {
    return this.recorder.started
  }

  get open(): boolean {
    return this.recorder.open
  }

  /** All of it, also while the session goes on. */
  get session(): Session {
    return this.recorder.session
  }

  /** The last position that it has read; null: it has none. */
  get position(): PositionRead | null {
    return this.recorder.position
  }

  subscribe(name: string): void {
    this.recorder.subscribe(name)
  }

  start(): void {
    this.recorder.start()
  }

  renew(token: { readonly token: string; readonly session_uuid: string }): void {
    this.recorder.renew(token)
  }

  /** Closes as a client; resolves with the end. */
  async close(): Promise<void> {
    this.recorder.ended(1000, true)
    this.socket.close(1000)
    const timer = setTimeout(() => this.socket.terminate(), CLOSE_MS_MAX)
    await this.ended
    clearTimeout(timer)
  }

  /** Loses the connection; reads nothing from now on. Resolves with the end; `frozen` takes `frozenMs`. */
  async cut(how: Cut, frozenMs: number): Promise<void> {
    const tcp = (this.socket as unknown as { _socket: Socket | null })._socket
    if (tcp === null || !this.open) return
    this.recorder.ended(CONNECTION_LOST, true)
    tcp.pause()
    if (how === 'half a frame') tcp.write(clientFrame('{"op":"ping","data":{"payload":1}}').subarray(0, 9))
    if (how === 'frozen') await sleep(frozenMs)
    if (how === 'half a frame') tcp.destroySoon()
    else tcp.resetAndDestroy()
    await this.ended
  }
}
