/** The worker's end of the channel to its primary. */
import type { Clock, Timer } from '@wazo-websocketd/shared/runtime/clock'
import type { LineLog } from '@wazo-websocketd/shared/runtime/line-log'
import type { Snapshot } from '@wazo-websocketd/shared/runtime/metrics'
import {
  parsePrimaryMessage,
  type AnswerPiece,
  type DrainOrder,
  type HostLineLevel,
  type WorkerAssignment,
  type PrimaryMessage,
  type SharedTenant,
  type WorkerMessage,
} from './messages.js'

/** The channel itself; tests give it another one than that of this process. */
export interface PrimaryChannel {
  /** Calls `done` when the message has left this process, or cannot. */
  send(message: WorkerMessage, done: () => void): void
  onMessage(listener: (message: unknown) => void): void
  /** The primary is gone. */
  onDisconnect(listener: () => void): void
  exit(status: number): void
}

/** The channel that `node:cluster` has given this process. */
const processChannel: PrimaryChannel = {
  send(message, done) {
    if (process.send === undefined || !process.connected) done()
    else process.send(message, undefined, undefined, () => done())
  },
  onMessage: (listener) => void process.on('message', listener),
  onDisconnect: (listener) => void process.on('disconnect', listener),
  exit: (status) => process.exit(status),
}

/** What the worker does when the primary ends it. */
export interface DrainHandler {
  /** Close the sessions with 1012 at this pace, then call `WorkerLink.finish`. */
  drain(order: DrainOrder): void
  /** Close what is left with 1001 at once, then call `WorkerLink.finish`. */
  closeNow(): void
}

/** What the primary gives a worker when it starts. */
export interface WorkerStart {
  /** Its configuration; of the form that the code has which read it. */
  readonly setup: unknown
  readonly place: WorkerAssignment
}

/** A sign of life. */
const BEAT_MS = 1_000
/** Metrics are asked for when somebody wants to see them; they come by themselves for the case that this worker is killed. */
const BEATS_PER_PUSH = 5

/** Connects the worker with its primary: takes orders and questions, reports readiness and metrics. */
export class PrimaryLink {
  /** For lines that other workers of this host say alike: the primary writes them, once for all of them. */
  readonly hostLog: LineLog = {
    error: (fields, line) => this.tellLine('error', fields, line),
    warn: (fields, line) => this.tellLine('warn', fields, line),
    info: (fields, line) => this.tellLine('info', fields, line),
  }
  private readonly channel: PrimaryChannel
  private readonly clock: Clock
  private handler: DrainHandler | null = null
  private snapshot: (() => Promise<Snapshot>) | null = null
  private tenantShared: (share: SharedTenant) => void = () => undefined
  private reopenLog: (() => void) | null = null
  private takeCertificate: ((setup: unknown) => void) | null = null
  private answerQuestion: ((question: unknown) => AsyncIterable<AnswerPiece>) | null = null
  private timer: Timer | null = null
  private finished = false
  /** Orders that came before there was someone to carry them out. */
  private pending: PrimaryMessage[] = []
  private lastReported: readonly string[] | null = null
  private beats = 0
  private assign: (assignment: WorkerStart) => void = () => undefined
  private readonly assignment: Promise<WorkerStart>

  constructor(clock: Clock, channel: PrimaryChannel = processChannel) {
    this.channel = channel
    this.clock = clock
    this.assignment = new Promise((resolve) => (this.assign = resolve))
    channel.onMessage((message) => {
      const known = parsePrimaryMessage(message)
      if (known !== null) this.receive(known)
    })
    // Without a primary nobody accepts connections or starts a successor: a supervisor starts everything anew.
    channel.onDisconnect(() => {
      if (!this.finished) channel.exit(1)
    })
  }

  /** Asks the primary for this worker's setup and place. */
  receiveAssignment(): Promise<WorkerStart> {
    void this.send({ kind: 'hello' })
    return this.assignment
  }

  /** Takes the primary's orders from now on; an order that has come already is carried out at once. */
  handle(handler: DrainHandler): void {
    this.handler = handler
    const { pending } = this
    this.pending = []
    for (const message of pending) this.receive(message)
  }

  /** Calls `take` with a configuration whose certificate is new. */
  takeCertificateBy(take: (setup: unknown) => void): void {
    this.takeCertificate = take
  }

  /** Has `answer` answer what operators ask. Until then nothing is answered. */
  answerBy(answer: (question: unknown) => AsyncIterable<AnswerPiece>): void {
    this.answerQuestion = answer
  }

  /** Calls `reopen` when the log file was renamed. Before that no file is open, and an order of the primary means nothing. */
  reopenLogBy(reopen: () => void): void {
    this.reopenLog = reopen
  }

  /** Tells what keeps this worker from serving, in words; sends only what is new. */
  reportNotReady(missing: readonly string[]): void {
    if (JSON.stringify(missing) === JSON.stringify(this.lastReported)) return
    this.lastReported = missing
    void this.send({ kind: 'missing', missing })
  }

  /** Tells all metrics now, when the primary asks, and every few seconds; a word each second shows that this worker does not hang. */
  pushMetrics(snapshot: () => Promise<Snapshot>): void {
    this.snapshot = snapshot
    void this.beat()
  }

  /**
   * Joins the workers of this host that say the same `source`. `shared` hears what they know of the master tenant, and
   * whether this worker is the one that asks wazo-auth: soon, or never from a primary that is older than this message.
   */
  shareTenant(source: string, shared: (share: SharedTenant) => void): void {
    this.tenantShared = shared
    void this.send({ kind: 'tenant-source', source })
  }

  /** wazo-auth has told this worker the master tenant. */
  tellTenant(tenant: string): void {
    void this.send({ kind: 'tenant', tenant })
  }

  /** `line` says why none of its kind can serve. The primary ends this worker, or the whole program. */
  async fatal(line: string, status: number): Promise<void> {
    await this.send({ kind: 'fatal', line, status })
  }

  /** Sends the last metrics and ends this process with status 0. */
  async finish(): Promise<void> {
    if (this.finished) return
    this.finished = true
    this.timer?.cancel()
    if (this.snapshot !== null) await this.send({ kind: 'metrics', snapshot: await this.snapshot() })
    await this.send({ kind: 'drained' })
    this.channel.exit(0)
  }

  private receive(message: PrimaryMessage): void {
    if (message.kind === 'setup') {
      this.assign(message)
      return
    }
    if (message.kind === 'tell') {
      void this.push()
      return
    }
    if (message.kind === 'tenant') {
      this.tenantShared(message)
      return
    }
    if (message.kind === 'certificate') {
      this.takeCertificate?.(message.setup)
      return
    }
    if (message.kind === 'ask') {
      // A fault in an answer is no reason to end sessions: whoever asked is told that none came.
      this.answer(message.id, message.question).catch(() => undefined)
      return
    }
    if (message.kind === 'reopen') {
      this.reopenLog?.()
      return
    }
    if (this.handler === null) {
      this.pending.push(message)
      return
    }
    if (message.kind === 'drain') this.handler.drain(message.order)
    else this.handler.closeNow()
  }

  /** A piece leaves when the one before it has left: the channel carries connections and metrics besides. */
  private async answer(id: number, question: unknown): Promise<void> {
    if (this.answerQuestion === null) return
    for await (const { rows, end } of this.answerQuestion(question)) {
      if (this.finished) return
      await this.send({ kind: 'answer', id, rows, end })
    }
  }

  /** One after the other, so that a slow primary is not flooded. */
  private async beat(): Promise<void> {
    if (this.beats++ % BEATS_PER_PUSH === 0 || this.lastReported === null) await this.push()
    else await this.send({ kind: 'missing', missing: this.lastReported })
    if (!this.finished) this.timer = this.clock.after(BEAT_MS, () => void this.beat())
  }

  private async push(): Promise<void> {
    const snapshot = await this.snapshot?.()
    if (snapshot !== undefined && !this.finished) await this.send({ kind: 'metrics', snapshot })
  }

  private tellLine(level: HostLineLevel, fields: object, line: string): void {
    void this.send({ kind: 'line', level, fields: { ...fields }, line })
  }

  private send(message: WorkerMessage): Promise<void> {
    return new Promise((resolve) => this.channel.send(message, resolve))
  }
}

/** Leaves signals to the primary: a terminal and some supervisors send them to every process of the group. */
export function ignoreGroupSignals(on: Pick<NodeJS.Process, 'on'> = process): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) on.on(signal, () => undefined)
}
