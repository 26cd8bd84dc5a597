/** The workers of a host: started, watched, started again, drained. Runs in the primary. */
import { Backoff } from '@wazo-websocketd/shared/runtime/backoff'
import type { Clock, Timer } from '@wazo-websocketd/shared/runtime/clock'
import { StartupError } from '@wazo-websocketd/shared/runtime/startup-error'
import type { Logger } from 'pino'
import type { MetricStore } from './aggregate.js'
import { asWorkerMessage, type WorkerMessage } from './messages.js'
import type { WorkerProcess } from './worker-process.js'

/** Why a worker had to be started again, as `worker_restarts_total{reason}` names it. */
export type RestartReason = 'exit' | 'error' | 'signal'

/** What the pool counts. */
export interface PoolMetrics {
  /** Workers that run now. */
  workers(running: number): void
  /** Workers that serve, by their last word. */
  ready(serving: number): void
  restarted(reason: RestartReason): void
}

export interface PoolOptions {
  /** Number of workers. */
  readonly size: number
  readonly fork: () => WorkerProcess
  /** The configuration for slot 0, 1, ..; must be JSON. */
  readonly setup: (slot: number) => unknown
  /** Sessions to close per second on this host (`drain.rate`). */
  readonly drainRatePerSecond: number
  /** Milliseconds (`drain.timeout`). */
  readonly drainTimeoutMs: number
  readonly store: MetricStore
  /** A worker knows by how many milliseconds wazo-auth's clock is ahead of this machine's. */
  readonly authAhead: (ms: number) => void
  readonly metrics: PoolMetrics
  readonly clock: Clock
  readonly logger: Logger
  readonly random?: () => number
}

const RESTART_FIRST_MS = 100
const RESTART_MAX_MS = 30_000
/** A worker that has run for so long was no crash loop. */
const STABLE_MS = 10_000
/** Workers push something every second; one that is silent for so long hangs. */
const SILENT_MS = 5000
/** After the order to close, a worker has so long to end before it is killed. */
const CLOSE_MS = 2000

interface Slot {
  readonly number: number
  readonly backoff: Backoff
  worker: WorkerProcess | null
  startedAt: number
  heardAt: number
  /** null: the worker has not said anything yet. */
  missing: readonly string[] | null
  restart: Timer | null
}

export class WorkerPool {
  private readonly options: PoolOptions
  private readonly slots: readonly Slot[]
  private stopping = false
  private killTimer: Timer | null = null
  private whenEmpty: (() => void) | null = null
  private reject: (error: StartupError) => void = () => undefined

  /** Rejects with a StartupError when a worker says that none can serve, such as a port in use. */
  readonly failed: Promise<never>

  constructor(options: PoolOptions) {
    this.options = options
    this.failed = new Promise((_, reject) => (this.reject = reject))
    this.slots = Array.from({ length: options.size }, (_, number) => ({
      number,
      backoff: new Backoff({
        firstMs: RESTART_FIRST_MS,
        maxMs: RESTART_MAX_MS,
        ...(options.random === undefined ? {} : { random: options.random }),
      }),
      worker: null,
      startedAt: 0,
      heardAt: 0,
      missing: null,
      restart: null,
    }))
  }

  /** Starts the workers. */
  start(): void {
    for (const slot of this.slots) this.fork(slot)
  }

  /** What keeps this host from serving, in words: nothing as soon as one worker serves. */
  missing(): readonly string[] {
    if (this.stopping) return ['draining']
    const running = this.slots.filter((slot) => slot.worker !== null)
    if (running.length === 0) return ['no worker is running']
    const all = new Set<string>()
    for (const slot of running) {
      const missing = this.missingOf(slot)
      if (missing.length === 0) return []
      for (const what of missing) all.add(what)
    }
    return [...all]
  }

  /**
   * Drains all workers at once: 1012, paced; 1001 for what is left after `drain.timeout`. Resolves when
   * every worker has ended, by force if need be.
   */
  stop(): Promise<void> {
    if (this.stopping) return Promise.resolve()
    this.stopping = true
    const { drainRatePerSecond, drainTimeoutMs, size, clock } = this.options
    const order = { ratePerSecond: drainRatePerSecond / size, timeoutMs: drainTimeoutMs }
    for (const slot of this.slots) {
      slot.restart?.cancel()
      // One that has not said anything yet has no sessions, and would not understand.
      if (slot.missing === null) slot.worker?.kill('SIGKILL')
      else slot.worker?.send({ kind: 'drain', order })
    }
    this.killTimer = clock.after(drainTimeoutMs + CLOSE_MS, () => this.kill())
    return new Promise((resolve) => {
      this.whenEmpty = resolve
      this.checkEmpty()
    })
  }

  /** A second signal: the workers close everything with 1001 now. */
  hurry(): void {
    if (!this.stopping) return
    for (const slot of this.slots) slot.worker?.send({ kind: 'close' })
    this.killTimer?.cancel()
    this.killTimer = this.options.clock.after(CLOSE_MS, () => this.kill())
  }

  private kill(): void {
    for (const { worker } of this.slots) {
      if (worker === null) continue
      this.options.logger.error({ workerPid: worker.pid }, 'worker did not end in time: killed')
      worker.kill('SIGKILL')
    }
  }

  private missingOf(slot: Slot): readonly string[] {
    if (slot.missing === null) return ['worker is starting']
    if (this.options.clock.monotonic() - slot.heardAt > SILENT_MS) return ['worker does not answer']
    return slot.missing
  }

  private fork(slot: Slot): void {
    const { clock, logger } = this.options
    const worker = this.options.fork()
    slot.restart = null
    slot.worker = worker
    slot.startedAt = slot.heardAt = clock.monotonic()
    slot.missing = null
    worker.onMessage((message) => {
      const known = asWorkerMessage(message)
      if (known !== null) this.heard(slot, worker, known)
    })
    worker.onExit((code, signal) => this.ended(slot, worker, code, signal))
    this.countWorkers()
    logger.info({ slot: slot.number, workerPid: worker.pid }, 'worker started')
  }

  private heard(slot: Slot, worker: WorkerProcess, message: WorkerMessage): void {
    if (slot.worker !== worker) return
    slot.heardAt = this.options.clock.monotonic()
    switch (message.kind) {
      case 'hello':
        worker.send({ kind: 'setup', setup: this.options.setup(slot.number) })
        break
      case 'missing':
        slot.missing = message.missing
        this.countWorkers()
        break
      case 'metrics':
        this.options.store.update(worker.id, message.snapshot)
        break
      case 'clock':
        this.options.authAhead(message.aheadMs)
        break
      case 'drained':
        this.options.logger.info({ slot: slot.number, workerPid: worker.pid }, 'worker drained')
        break
      case 'fatal':
        this.reject(new StartupError(message.line, message.status))
        break
    }
  }

  private ended(slot: Slot, worker: WorkerProcess, code: number | null, signal: string | null): void {
    const { clock, logger, metrics, store } = this.options
    store
      .retire(worker.id)
      .catch((error: unknown) => logger.error({ err: error }, 'metrics of a worker are lost'))
    slot.worker = null
    this.countWorkers()
    const fields = { slot: slot.number, workerPid: worker.pid, code, signal }
    if (this.stopping) {
      logger.info(fields, 'worker ended')
      this.checkEmpty()
      return
    }
    if (clock.monotonic() - slot.startedAt >= STABLE_MS) slot.backoff.reset()
    const delayMs = slot.backoff.next()
    logger.error(
      { ...fields, delayMs: Math.round(delayMs) },
      'worker ended unexpectedly: starting another one',
    )
    metrics.restarted(reasonOf(code, signal))
    slot.restart = clock.after(delayMs, () => this.fork(slot))
  }

  private countWorkers(): void {
    const running = this.slots.filter((slot) => slot.worker !== null)
    this.options.metrics.workers(running.length)
    this.options.metrics.ready(running.filter((slot) => slot.missing?.length === 0).length)
  }

  private checkEmpty(): void {
    if (this.whenEmpty === null || this.slots.some((slot) => slot.worker !== null)) return
    this.killTimer?.cancel()
    this.whenEmpty()
  }
}

function reasonOf(code: number | null, signal: string | null): RestartReason {
  if (signal !== null) return 'signal'
  return code === 0 ? 'exit' : 'error'
}
