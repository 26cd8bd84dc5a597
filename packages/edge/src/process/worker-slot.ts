/** One place for a worker on this host. While its worker is replaced it holds two: the old one and the new one. */
import { Backoff } from '@wazo-websocketd/shared/runtime/backoff'
import { CrashLoop } from './crash-loop.js'
import type { Clock, Timer } from '@wazo-websocketd/shared/runtime/clock'
import type { Logger } from 'pino'
import type { MetricStore } from './metric-store.js'
import { differsByCertificate, drainOrder, type Generation } from './generation.js'
import type { DrainOrder } from './messages.js'
import type { RestartReason } from './metrics.js'
import { WorkerHandle, type WorkerHandleListener } from './worker-handle.js'
import type { HandoverRelay } from '../handover/relay.js'
import type { WorkerProcess } from './worker-process.js'

export interface WorkerSlotOptions {
  /** From 0. */
  readonly number: number
  /** What a worker that dies is replaced by, until `replace` has gone well. */
  readonly generation: Generation
  readonly fork: () => WorkerProcess
  /** Carries connections from a worker to the one that has its place. */
  readonly relay: Pick<HandoverRelay, 'watch' | 'pair'>
  readonly store: MetricStore
  /** Milliseconds that a successor may take until it serves. */
  readonly readyMsMax: number
  readonly clock: Clock
  readonly logger: Logger
  readonly listener: WorkerSlotListener
  /** From 0 up to, not including, 1; `Math.random` unless given. */
  readonly random?: () => number
}

/** What the pool hears of a slot. */
export interface WorkerSlotListener {
  /** Workers have come, gone, or serve or do not serve any more. */
  changed(): void
  restarted(reason: RestartReason): void
  /** A worker that is nobody's successor cannot serve; returns whether the whole program ends because of it. */
  fatal(line: string, status: number): boolean
}

/** Says in one line why a worker was not replaced. The one that was there goes on. */
export class ReplacementError extends Error {
  override name = 'ReplacementError'
}

const RESTART_FIRST_MS = 100
const RESTART_MAX_MS = 30_000
/** A worker that has run for so long was no crash loop. */
const STABLE_MS = 10_000
const SLOT_CLOSING = 'no worker is to be here any more'

/** A successor on its way. */
interface Successor {
  readonly handle: WorkerHandle
  readonly generation: Generation
  /** Takes the worker whose place it has got. */
  readonly succeeded: (predecessor: WorkerHandle | null) => void
  readonly failed: (error: ReplacementError) => void
  readonly limit: Timer
}

/** Keeps one worker running in its place, and has the old and the new one at once while it is replaced. */
export class WorkerSlot implements WorkerHandleListener {
  private readonly options: WorkerSlotOptions
  private readonly backoff: Backoff
  private readonly crashes: CrashLoop
  /** Workers of this slot die again and again. */
  private looping = false
  /** Why the last one could not serve, as it said. */
  private cannotServe: string | null = null
  private generation: Generation
  private current: WorkerHandle | null = null
  private successor: Successor | null = null
  /** Replaced, or not wanted: they serve nobody new and end. */
  private readonly leaving = new Set<WorkerHandle>()
  private restart: Timer | null = null
  private closing = false

  constructor(options: WorkerSlotOptions) {
    const { random } = options
    this.options = options
    this.generation = options.generation
    this.crashes = new CrashLoop(options.clock)
    this.backoff = new Backoff({
      firstMs: RESTART_FIRST_MS,
      maxMs: RESTART_MAX_MS,
      ...(random === undefined ? {} : { random }),
    })
  }

  /** Every worker of this slot that runs. */
  get workers(): readonly WorkerHandle[] {
    const here = this.successor === null ? [] : [this.successor.handle]
    return [...(this.current === null ? [] : [this.current]), ...here, ...this.leaving]
  }

  /** Starts a worker, and another one whenever it ends. */
  start(): void {
    this.restart = null
    this.current = this.spawn(this.generation, false)
    this.options.listener.changed()
  }

  /**
   * Puts a worker of `generation` into the place of the one that is here, if any: the new one serves before
   * the old one stops. Resolves when the old one has ended.
   * @throws ReplacementError when the new one does not get so far; the old one then goes on as if nothing was.
   */
  async replace(generation: Generation): Promise<void> {
    const predecessor = await this.startSuccessor(generation)
    await predecessor?.ended
  }

  /** Whether its worker needs nothing of `next` but the certificate, and serves, so that it can take it. */
  needsOnlyCertificate(next: Generation): boolean {
    const serves = this.successor === null && this.current?.ready === true
    return serves && differsByCertificate(this.generation, next)
  }

  /** Its worker, and those after it, have the certificate of `next` from now on; sessions stay. */
  takeCertificate(next: Generation): void {
    this.generation = next
    this.current?.takeCertificate(next.setup)
  }

  /** No worker is to be here any more: the one that is drains. Resolves when none is left. */
  async close(order: DrainOrder): Promise<void> {
    this.closing = true
    this.restart?.cancel()
    this.restart = null
    this.abandonSuccessor(SLOT_CLOSING)
    // The worker that has the place of these goes as well: they have nobody to hand connections to.
    for (const handle of this.leaving) handle.drain(order)
    const last = this.current
    this.current = null
    if (last !== null) this.sendAway(last, order)
    await Promise.all([...this.leaving].map((handle) => handle.ended))
  }

  /** What drains closes everything with 1001 now. */
  stopNow(): void {
    for (const handle of this.leaving) handle.closeNow()
  }

  changed(handle: WorkerHandle): void {
    if (this.successor?.handle === handle && handle.ready) this.promote(this.successor)
    if (handle.ready) this.cannotServe = null
    this.options.listener.changed()
  }

  fatal(handle: WorkerHandle, line: string, status: number): void {
    if (this.successor?.handle === handle) this.abandonSuccessor(line)
    else if (this.current === handle && !this.options.listener.fatal(line, status)) {
      if (line !== this.cannotServe)
        this.options.logger.error({ ...this.fieldsOf(handle), why: line }, 'worker cannot serve')
      this.cannotServe = line
      handle.kill()
    }
  }

  ended(handle: WorkerHandle, code: number | null, signal: string | null): void {
    const fields = { ...this.fieldsOf(handle), code, signal }
    const { logger } = this.options
    if (this.leaving.delete(handle)) logger.info(fields, 'worker ended')
    else if (this.successor?.handle === handle) {
      logger.info(fields, 'worker ended')
      this.successorFailed(`the new worker ended before it was ready (${endOf(code, signal)})`)
    } else this.died(handle, code, signal)
    this.options.listener.changed()
  }

  private died(handle: WorkerHandle, code: number | null, signal: string | null): void {
    const { clock, listener } = this.options
    this.current = null
    if (clock.monotonic() - handle.startedAt >= STABLE_MS) this.backoff.reset()
    const delayMs = this.backoff.next()
    this.tellDeath({ ...this.fieldsOf(handle), code, signal, delayMs: Math.round(delayMs) })
    listener.restarted(reasonOf(code, signal))
    this.restart = clock.after(delayMs, () => this.start())
  }

  /** The log has each death, but of a loop no more than a line a minute. */
  private tellDeath(fields: object): void {
    const { logger } = this.options
    const { deaths, tell } = this.crashes.died()
    const why = this.cannotServe === null ? {} : { why: this.cannotServe }
    this.looping = tell !== 'alone'
    if (tell === 'alone')
      logger.error({ ...fields, ...why }, 'worker ended unexpectedly: starting another one')
    else if (tell === 'loop')
      logger.error(
        { ...fields, ...why, deaths },
        `worker ended unexpectedly, again and again: ${deaths} times within a minute; others are started, one line a minute`,
      )
  }

  private spawn(generation: Generation, successor: boolean): WorkerHandle {
    const { fork, relay, number, store, clock, logger } = this.options
    const worker = fork()
    relay.watch(worker.peer)
    return new WorkerHandle({
      worker,
      setup: generation.setup,
      place: { slot: number, successor },
      quiet: this.looping && !successor,
      store,
      clock,
      logger,
      listener: this,
    })
  }

  /** Starts a successor; resolves with the worker that it replaced as soon as it serves. */
  private startSuccessor(generation: Generation): Promise<WorkerHandle | null> {
    const { clock, listener, readyMsMax } = this.options
    return new Promise((succeeded, failed) => {
      if (this.closing) {
        failed(new ReplacementError(SLOT_CLOSING))
        return
      }
      const handle = this.spawn(generation, true)
      const limit = clock.after(readyMsMax, () => this.readyTimedOut(handle))
      this.successor = { handle, generation, succeeded, failed, limit }
      listener.changed()
    })
  }

  private promote({ handle, generation, succeeded, limit }: Successor): void {
    const predecessor = this.current
    limit.cancel()
    this.restart?.cancel()
    this.restart = null
    this.successor = null
    this.current = handle
    this.generation = generation
    this.backoff.reset()
    if (predecessor !== null) this.sendAway(predecessor, drainOrder(generation, 1))
    succeeded(predecessor)
  }

  private readyTimedOut(handle: WorkerHandle): void {
    const missing = handle.notReadyReasons().join(', ')
    this.abandonSuccessor(
      `the new worker was not ready after ${this.options.readyMsMax / 1000} s: ${missing}`,
    )
  }

  /** Ends the successor that is on its way, if one is: it has no sessions. */
  private abandonSuccessor(why: string): void {
    if (this.successor === null) return
    const { handle } = this.successor
    this.leaving.add(handle)
    this.successorFailed(why)
    handle.kill()
  }

  private successorFailed(why: string): void {
    const { successor } = this
    this.successor = null
    successor?.limit.cancel()
    successor?.failed(new ReplacementError(why))
  }

  /**
   * Sends a worker away whose place is taken or given up. What it cannot pass to the worker that has its place now
   * gets 1012.
   */
  private sendAway(handle: WorkerHandle, order: DrainOrder): void {
    this.leaving.add(handle)
    const successor = this.current
    if (successor === null) handle.drain(order)
    else {
      this.options.relay.pair(handle.peer, successor.peer)
      handle.drain({ ...order, toSuccessor: true })
    }
  }

  private fieldsOf({ pid }: WorkerHandle): { slot: number; workerPid: number | undefined } {
    return { slot: this.options.number, workerPid: pid }
  }
}

function reasonOf(code: number | null, signal: string | null): RestartReason {
  if (signal !== null) return 'signal'
  return code === 0 ? 'exit' : 'error'
}

function endOf(code: number | null, signal: string | null): string {
  return signal === null ? `status ${code ?? 'unknown'}` : `signal ${signal}`
}
