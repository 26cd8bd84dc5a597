import type { Close } from '@wazo-websocketd/shared/domain/close'
import type { ClientSocket, SocketListener } from '@wazo-websocketd/edge/session/ports'
import type { Session } from '../support/checker/history.js'
import { FrameReader } from '../support/frames.js'
import type { Random } from '../support/scenario/random.js'
import { SessionRecorder, type PositionRead } from '../support/scenario/recorder.js'
import type { WorkerProgram } from './programs.js'
import type { Scheduler } from './scheduler.js'
import type { Minted } from './wazo.js'

const LATENCY_MS = [0.2, 3] as const
const CONNECTION_LOST = 1006
const NORMAL = 1000

export interface SessionClientOptions {
  readonly name: string
  readonly version: 1 | 2
  readonly token: Minted
  /** As `RecorderOptions.resume`. */
  readonly resume?: PositionRead | null
  readonly received: (id: number) => void
}

/** One WebSocket session of a client: everything between its application and the worker's session core. */
export class SessionClient {
  /** Resolves with the end of the session as the client sees it. */
  readonly ended: Promise<void>
  readonly recorder: SessionRecorder
  private readonly scheduler: Scheduler
  private readonly random: Random
  private readonly worker: WorkerProgram
  private listener: SocketListener | null = null
  private readonly lastAt = { up: 0, down: 0 }
  /** The client has gone without a word: it reads nothing any more. */
  private isCut = false
  /** The worker's side is told of no second end. */
  private told = false
  private finish!: () => void

  constructor(scheduler: Scheduler, random: Random, worker: WorkerProgram, options: SessionClientOptions) {
    const { name, version, token, resume, received } = options
    this.scheduler = scheduler
    this.random = random
    this.worker = worker
    this.ended = new Promise((resolve) => (this.finish = resolve))
    this.recorder = new SessionRecorder({
      ...{ name, host: worker.host, token: token.session_uuid, received },
      ...(resume === undefined ? {} : { resume }),
      now: () => scheduler.now,
      send: (text) => this.up(() => this.listener?.text(text)),
    })
    const place = resume === undefined ? '' : `&resume=${resume?.id ?? ''}`
    const url = `/?version=${version}&token=${token.token}${place}`
    this.up(() => {
      this.listener = worker.connect(this.socket(), { url, tokenHeader: undefined, address: '192.0.2.1' })
    })
    worker.process.onDeath(() => this.down(() => this.over(CONNECTION_LOST, false)))
  }

  get session(): Session {
    return this.recorder.session
  }

  get open(): boolean {
    return this.recorder.open
  }

  /** Closes as a client. */
  close(): void {
    this.over(NORMAL, true)
    this.tellWorker(NORMAL)
  }

  /** Loses the connection: nothing is read from now on, and the worker hears of it after `ms`. */
  cut(ms: number): void {
    this.over(CONNECTION_LOST, true)
    this.scheduler.after(ms, () => this.tellWorker(CONNECTION_LOST), null)
  }

  private socket(): ClientSocket {
    const reader = new FrameReader((_, bytes, from, to) => {
      const text = bytes.toString('utf8', from, to)
      this.down(() => this.recorder.message(text))
    })
    const socket = {
      bufferedBytes: 0,
      nearlyFull: false,
      lastPongAt: null,
      closing: false,
      sendFrames(frames: readonly Uint8Array[]): void {
        if (socket.closing) return
        for (const frame of frames) reader.push(Buffer.from(frame))
      },
      close: ({ code }: Close): void => {
        if (socket.closing) return
        socket.closing = true
        this.down(() => {
          this.over(code, false)
          this.tellWorker(code)
        })
      },
      pause: () => undefined,
      resume: () => undefined,
    }
    return socket
  }

  private over(code: number, byClient: boolean): void {
    this.isCut = true
    this.recorder.ended(code, byClient)
    this.finish()
  }

  private tellWorker(code: number): void {
    if (this.told) return
    this.told = true
    this.up(() => this.listener?.closed(code))
  }

  private up(run: () => void): void {
    this.send('up', run)
  }

  private down(run: () => void): void {
    this.send('down', () => {
      if (!this.isCut) run()
    })
  }

  private send(way: 'up' | 'down', run: () => void): void {
    const at = Math.max(this.scheduler.now + this.random.between(...LATENCY_MS), this.lastAt[way] + 1e-6)
    this.lastAt[way] = at
    this.scheduler.after(at - this.scheduler.now, run, way === 'up' ? this.worker.process : null)
  }
}
