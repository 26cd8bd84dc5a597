import type { Clock, Timer } from '@wazo-websocketd/shared/runtime/clock'
import type { Logger } from 'pino'
import type { MetricStore } from './metric-store.js'
import { PendingAnswers, type WorkerAnswer } from './pending-answers.js'
import { parseWorkerMessage, type DrainOrder, type WorkerAssignment, type WorkerMessage } from './messages.js'
import type { HandoverPeer } from '../handover/channel.js'
import type { WorkerProcess } from './worker-process.js'

/** What a slot hears of a worker in it. */
export interface WorkerHandleListener {
  /** What it misses is not what it was. */
  changed(handle: WorkerHandle): void
  /** Neither it nor another one like it can serve, because of what this line says. */
  fatal(handle: WorkerHandle, line: string, status: number): void
  /** Once, when its process has ended. */
  ended(handle: WorkerHandle, code: number | null, signal: string | null): void
}

export interface WorkerHandleOptions {
  readonly worker: WorkerProcess
  /** Its configuration; must be JSON. */
  readonly setup: unknown
  readonly place: WorkerAssignment
  /** Its start has a line only once it serves: those before it died again and again. */
  readonly quiet?: boolean
  readonly store: MetricStore
  readonly clock: Clock
  readonly logger: Logger
  readonly listener: WorkerHandleListener
}

/** Workers say something every second; one that is silent for so long hangs. */
const SILENT_MS = 5000
/** After the order to close, or the deadline of a drain, a worker has so long to end before it is killed. */
const CLOSE_MS = 3000

/** Controls one worker from its start to its end, as the primary knows it. */
export class WorkerHandle {
  /** By the monotonic clock. */
  readonly startedAt: number
  /** Resolves when the process has ended; never rejects. */
  readonly ended: Promise<void>
  private readonly options: WorkerHandleOptions
  private lastMessageAt: number
  /** null: it has not said anything yet. */
  private lastReasons: readonly string[] | null = null
  private killTimer: Timer | null = null
  private exited = false
  /** The log has a line about its start. */
  private announced = false
  /** Who waits for its metrics. */
  private metricsWaiters: (() => void)[] = []
  private readonly answers: PendingAnswers

  constructor(options: WorkerHandleOptions) {
    const { worker, clock, listener, quiet = false } = options
    this.options = options
    this.answers = new PendingAnswers(clock)
    this.startedAt = this.lastMessageAt = clock.monotonic()
    worker.onMessage((message) => {
      const known = parseWorkerMessage(message)
      if (known !== null) this.onMessage(known)
    })
    this.ended = new Promise((resolve) => {
      worker.onExit((code, signal) => {
        this.onExit()
        listener.ended(this, code, signal)
        resolve()
      })
    })
    if (!quiet) this.announce()
  }

  get peer(): HandoverPeer {
    return this.options.worker.peer
  }

  get pid(): number | undefined {
    return this.options.worker.pid
  }

  /** The number of its slot. */
  get slot(): number {
    return this.options.place.slot
  }

  /** Whether it has begun, and has said nothing for so long that it cannot be at work. */
  get hangs(): boolean {
    return this.lastReasons !== null && this.isSilent()
  }

  /** Whether it serves, by its last word. */
  get ready(): boolean {
    return this.lastReasons?.length === 0
  }

  /** What keeps it from serving, in words. */
  notReadyReasons(): readonly string[] {
    if (this.lastReasons === null) return ['worker is starting']
    if (this.hangs) return ['worker does not answer']
    return this.lastReasons
  }

  /** Asks for its metrics as they are now. Resolves when they are in the store, and at once when it hangs or has yet to begin. */
  requestMetrics(): Promise<void> {
    if (this.exited || this.lastReasons === null || this.hangs) return Promise.resolve()
    this.options.worker.send({ kind: 'tell' })
    return new Promise((resolve) => this.metricsWaiters.push(resolve))
  }

  /**
   * Asks it what an operator wants to know; `rows` takes rows of the answer as they come. Resolves with what it says of
   * all rows; null: it has not answered in time, or hangs, or ends, or is too old to know how.
   */
  ask(question: unknown, rows: (rows: readonly string[]) => void, msMax: number): Promise<WorkerAnswer> {
    if (this.exited || this.lastReasons === null || this.isSilent()) return Promise.resolve(null)
    const { id, answer } = this.answers.begin(rows, msMax)
    this.options.worker.send({ kind: 'ask', id, question })
    return answer
  }

  /** Orders it to close its sessions and end; it is killed when it has not ended soon after the deadline. */
  drain(order: DrainOrder): void {
    if (this.lastReasons === null) {
      // It has no sessions yet, and would not understand.
      this.kill()
      return
    }
    this.options.worker.send({ kind: 'drain', order })
    this.killAfter(order.timeoutMs + CLOSE_MS)
  }

  /** Orders it to close what is left with 1001 at once. */
  closeNow(): void {
    this.options.worker.send({ kind: 'close' })
    this.killAfter(CLOSE_MS)
  }

  /** Has it open its log file anew. A worker that has yet to begin opens the new file anyway. */
  reopenLog(): void {
    this.options.worker.send({ kind: 'reopen' })
  }

  /** Gives it a configuration of which only the certificate is new. */
  takeCertificate(setup: unknown): void {
    this.options.worker.send({ kind: 'certificate', setup })
  }

  /** Ends the process without further ado. */
  kill(): void {
    this.options.worker.kill('SIGKILL')
  }

  private announce(): void {
    const { logger, place, worker } = this.options
    this.announced = true
    logger.info({ slot: place.slot, workerPid: worker.pid }, 'worker started')
  }

  private killAfter(delayMs: number): void {
    const { clock, logger, worker } = this.options
    this.killTimer?.cancel()
    this.killTimer = clock.after(delayMs, () => {
      logger.error({ workerPid: worker.pid }, 'worker did not end in time: killed')
      this.kill()
    })
  }

  /** What still comes after its end was told counts for nothing: it would stay among the living for ever. */
  private onMessage(message: WorkerMessage): void {
    if (this.exited) return
    const { worker, setup, place, store, logger, listener, clock } = this.options
    this.lastMessageAt = clock.monotonic()
    switch (message.kind) {
      case 'hello':
        worker.send({ kind: 'setup', setup, place })
        break
      case 'missing':
        this.lastReasons = message.missing
        if (this.ready && !this.announced) this.announce()
        listener.changed(this)
        break
      case 'metrics':
        store.update(worker.id, message.snapshot)
        this.metricsArrived()
        break
      case 'answer':
        this.answers.take(message.id, message)
        break
      case 'drained':
        logger.info({ slot: place.slot, workerPid: worker.pid }, 'worker drained')
        break
      case 'fatal':
        listener.fatal(this, message.line, message.status)
        break
    }
  }

  private isSilent(): boolean {
    return this.options.clock.monotonic() - this.lastMessageAt > SILENT_MS
  }

  private metricsArrived(): void {
    const { metricsWaiters } = this
    this.metricsWaiters = []
    for (const settle of metricsWaiters) settle()
  }

  private onExit(): void {
    const { store, worker, logger } = this.options
    this.exited = true
    this.metricsArrived()
    this.answers.abandon()
    this.killTimer?.cancel()
    store
      .retire(worker.id)
      .catch((error: unknown) => logger.error({ err: error }, 'metrics of a worker are lost'))
  }
}
