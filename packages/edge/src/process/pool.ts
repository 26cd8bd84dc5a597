/** The workers of a host: started, watched, started again, replaced, drained. Runs in the primary. */
import type { Clock, Timer } from '@wazo-websocketd/shared/runtime/clock'
import { within } from '@wazo-websocketd/shared/runtime/sleep'
import { StartupError } from '@wazo-websocketd/shared/runtime/startup-error'
import type { Logger } from 'pino'
import type { MetricStore } from './metric-store.js'
import { drainOrder, type Generation } from './generation.js'
import type { PoolMetrics, RestartReason } from './metrics.js'
import type { WorkerHandle } from './worker-handle.js'
import { ReplacementError, WorkerSlot, type WorkerSlotListener } from './worker-slot.js'
import type { HandoverRelay } from '../handover/relay.js'
import type { WorkerProcess } from './worker-process.js'

export interface PoolOptions {
  /** What the first workers are started with. */
  readonly generation: Generation
  readonly fork: () => WorkerProcess
  /** Carries connections from workers to their successors. */
  readonly relay: Pick<HandoverRelay, 'watch' | 'pair'>
  readonly store: MetricStore
  /** Milliseconds that a worker may take until it serves in the place of another one. */
  readonly readyMsMax: number
  readonly metrics: PoolMetrics
  readonly clock: Clock
  readonly logger: Logger
  readonly random?: () => number
}

/** Starts the workers of a host, and replaces and drains them. */
export class WorkerPool implements WorkerSlotListener {
  private readonly options: PoolOptions
  /** Slot n is at n. */
  private readonly slots: WorkerSlot[]
  /** What all workers were started with, when none is being replaced and the last replacement went well. */
  private generation: Generation
  private stopping = false
  /** Since the order to drain: nothing more is started. */
  private draining = false
  private delayTimer: Timer | null = null
  private hasServed = false
  private resolveStopped: () => void = () => undefined
  private rejectFailed: (error: StartupError) => void = () => undefined

  /** Rejects with a StartupError when the first workers say that none can serve, such as with a port in use. */
  readonly failed: Promise<never>

  constructor(options: PoolOptions) {
    this.options = options
    this.generation = options.generation
    this.failed = new Promise((_, reject) => (this.rejectFailed = reject))
    this.slots = Array.from({ length: options.generation.workers }, (_, number) =>
      this.createSlot(number, options.generation),
    )
  }

  /** Starts the workers. */
  start(): void {
    for (const slot of this.slots) slot.start()
  }

  /** What keeps this host from serving, in words: nothing as soon as one worker serves. */
  notReadyReasons(): readonly string[] {
    if (this.stopping) return ['draining']
    const all = new Set<string>()
    for (const slot of this.slots)
      for (const handle of slot.workers) {
        const missing = handle.notReadyReasons()
        if (missing.length === 0) return []
        for (const what of missing) all.add(what)
      }
    return all.size === 0 ? ['no worker is running'] : [...all]
  }

  /** What an operator has to know although this host serves, in words. */
  remarks(): readonly string[] {
    return this.hanging().map((handle) => `worker ${handle.slot} does not answer`)
  }

  /** Has all workers tell their metrics as they are now; waits for those that hang, or do not know how, no longer than `msMax`. */
  async refreshMetrics(msMax: number): Promise<void> {
    const pushed = this.workers.map((handle) => handle.requestMetrics())
    await within(this.options.clock, msMax, 'asking for metrics', Promise.all(pushed)).catch(() => undefined)
    this.options.metrics.hanging(this.hanging().length)
  }

  /**
   * Replaces the workers one by one by workers of `generation`, each new one ready before its old one drains;
   * then starts what is missing in number, or drains what is too many. One call at a time.
   * @throws ReplacementError at the first one that cannot be replaced; it and those after it stay what they are.
   */
  async replace(generation: Generation): Promise<void> {
    let done = 0
    try {
      for (; done < generation.workers; done++) await this.replaceAt(done, generation)
    } catch (error) {
      if (!(error instanceof ReplacementError) || done === 0) throw error
      throw new ReplacementError(`${error.message}; ${done} of ${generation.workers} are already new`)
    }
    while (this.slots.length > generation.workers && !this.draining) await this.removeLast(generation)
    this.generation = generation
  }

  /**
   * Gives all workers the certificate of `generation` where that is all that is new; returns whether it is. Sessions stay, and
   * new connections have the new certificate.
   */
  renewCertificate(generation: Generation): boolean {
    if (this.stopping || !this.slots.every((slot) => slot.needsOnlyCertificate(generation))) return false
    for (const slot of this.slots) slot.takeCertificate(generation)
    this.generation = generation
    return true
  }

  /**
   * Not ready from now on; after `drain.delay` drains all workers at once: 1012, paced; 1001 for what is left
   * after `drain.timeout`. Resolves when every worker has ended, by force if need be.
   */
  stop(): Promise<void> {
    if (this.stopping) return Promise.resolve()
    this.stopping = true
    const { delayMs } = this.generation.drain
    const stopped = new Promise<void>((resolve) => (this.resolveStopped = resolve))
    if (delayMs > 0) this.delayTimer = this.options.clock.after(delayMs, () => this.drain())
    else this.drain()
    return stopped
  }

  /** A second signal: the workers close everything with 1001 now. */
  stopNow(): void {
    if (!this.stopping) return
    this.delayTimer?.cancel()
    this.drain()
    for (const slot of this.slots) slot.stopNow()
  }

  /** Has every worker open its log file anew. */
  reopenLogs(): void {
    for (const slot of this.slots) for (const handle of slot.workers) handle.reopenLog()
  }

  /** All workers that run, in the order of their slots; of a slot the one that serves comes first. */
  get workers(): readonly WorkerHandle[] {
    return this.slots.flatMap((slot) => slot.workers)
  }

  changed(): void {
    const handles = this.workers
    const ready = handles.filter((handle) => handle.ready).length
    if (ready > 0) this.hasServed = true
    this.options.metrics.workers(handles.length)
    this.options.metrics.ready(ready)
  }

  restarted(reason: RestartReason): void {
    this.options.metrics.restarted(reason)
  }

  /** A host that has served goes on with the workers it has. */
  fatal(line: string, status: number): boolean {
    if (this.hasServed || this.stopping) return false
    this.rejectFailed(new StartupError(line, status))
    return true
  }

  private hanging(): readonly WorkerHandle[] {
    return this.slots.flatMap((slot) => slot.workers).filter((handle) => handle.hangs)
  }

  private drain(): void {
    if (this.draining) return
    this.draining = true
    const order = drainOrder(this.generation, this.slots.length)
    void Promise.all(this.slots.map((slot) => slot.close(order))).then(() => this.resolveStopped())
  }

  private async replaceAt(number: number, generation: Generation): Promise<void> {
    if (this.stopping) throw new ReplacementError('the program is stopping')
    const existing = this.slots[number]
    if (existing !== undefined) return existing.replace(generation)
    const added = this.createSlot(number, generation)
    this.slots.push(added)
    try {
      await added.replace(generation)
    } catch (error) {
      this.slots.splice(this.slots.indexOf(added), 1)
      this.changed()
      throw error
    }
  }

  /** One worker less. Its slot stays until it has ended, so that a stop of the program waits for it too. */
  private async removeLast(generation: Generation): Promise<void> {
    const last = this.slots.at(-1)
    if (last === undefined) return
    await last.close(drainOrder(generation, 1))
    this.slots.splice(this.slots.indexOf(last), 1)
    this.changed()
  }

  private createSlot(number: number, generation: Generation): WorkerSlot {
    const { fork, relay, store, readyMsMax, clock, logger, random } = this.options
    return new WorkerSlot({
      number,
      generation,
      fork,
      relay,
      store,
      readyMsMax,
      clock,
      logger,
      listener: this,
      ...(random === undefined ? {} : { random }),
    })
  }
}
