/** SIGHUP: the workers become those of the code and the configuration now on disk. */
import { messageOf } from '@wazo-websocketd/shared/runtime/startup-error'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import type { Logger } from 'pino'
import { restartOnlyChanges, type Generation } from './generation.js'
import type { UpgradeMetrics, UpgradeResult } from './metrics.js'
import type { WorkerPool } from './pool.js'

export interface UpgradeOptions {
  /** Has the code on disk read the configuration. Rejects with one line; an abort ends it at once. */
  readonly load: (signal: AbortSignal) => Promise<Generation>
  readonly pool: Pick<WorkerPool, 'replace' | 'renewCertificate'>
  /** What the program was started with. */
  readonly started: Generation
  /** All workers are of this generation now. */
  readonly upgraded: (generation: Generation) => void
  readonly metrics: UpgradeMetrics
  readonly clock: Pick<Clock, 'now' | 'monotonic'>
  readonly logger: Logger
}

/** How one upgrade ended. */
export interface UpgradeOutcome {
  readonly result: UpgradeResult
  /** One line; null: it went well. */
  readonly why: string | null
  /** Versions of the workers before and after. */
  readonly from: string
  readonly to: string
  /** Milliseconds of Unix time. */
  readonly endedAt: number
  readonly seconds: number
}

/** Replaces the workers by those of the code and the configuration on disk, one upgrade at a time. */
export class Upgrades {
  private readonly options: UpgradeOptions
  private readonly stopped = new AbortController()
  /** Of all workers, but for those that the last upgrade left alone because it failed. */
  private version: string
  private underWay = false
  /** A request came while an upgrade was under way: what is on disk may have changed since it was read. */
  private requestedAgain = false
  private startedAt = 0
  private lastOutcome: UpgradeOutcome | null = null
  /** Who waits for the next upgrade that begins. */
  private waiters: ((outcome: UpgradeOutcome) => void)[] = []

  constructor(options: UpgradeOptions) {
    this.options = options
    this.version = options.started.version
  }

  /** Version of the workers, whether an upgrade is under way, and how the last one ended. */
  get state(): {
    readonly version: string
    readonly underWay: boolean
    readonly last: UpgradeOutcome | null
  } {
    return { version: this.version, underWay: this.underWay, last: this.lastOutcome }
  }

  /** As `request`; resolves with the outcome of an upgrade that has read what is on disk now. */
  requestOutcome(): Promise<UpgradeOutcome> {
    return new Promise((resolve) => {
      this.waiters.push(resolve)
      if (this.isStopped()) this.conclude(this.takeWaiters(), this.version, 'the program ends')
      else this.request()
    })
  }

  /** Replaces the workers; once more after the present upgrade, when one is under way. Never throws. */
  request(): void {
    if (this.isStopped()) return
    if (this.underWay) {
      this.requestedAgain = true
      this.options.logger.info('SIGHUP: once this upgrade is done the workers are replaced once more')
      return
    }
    void this.run()
  }

  /** The program ends: what is under way is given up, nothing more is begun. */
  stop(): void {
    this.stopped.abort()
  }

  private async run(): Promise<void> {
    this.underWay = true
    do {
      this.requestedAgain = false
      this.options.metrics.upgrading(true)
      await this.upgradeFor(this.takeWaiters())
      this.options.metrics.upgrading(false)
    } while (this.mustRunAgain())
    this.underWay = false
    this.conclude(this.takeWaiters(), this.version, 'the program ends')
  }

  private async upgradeFor(waiters: readonly ((outcome: UpgradeOutcome) => void)[]): Promise<void> {
    const from = this.version
    this.startedAt = this.options.clock.monotonic()
    this.lastOutcome = this.conclude(waiters, from, await this.upgrade())
  }

  private takeWaiters(): readonly ((outcome: UpgradeOutcome) => void)[] {
    return this.waiters.splice(0)
  }

  private conclude(
    waiters: readonly ((outcome: UpgradeOutcome) => void)[],
    from: string,
    why: string | null,
  ): UpgradeOutcome {
    const { clock } = this.options
    const outcome: UpgradeOutcome = {
      result: why === null ? 'success' : 'failure',
      why,
      from,
      to: this.version,
      endedAt: clock.now(),
      seconds: (clock.monotonic() - this.startedAt) / 1000,
    }
    for (const settle of waiters) settle(outcome)
    return outcome
  }

  /** Returns why it has failed, in one line; null: it has not. */
  private async upgrade(): Promise<string | null> {
    const { load, pool, metrics, logger } = this.options
    logger.info('SIGHUP: replacing the workers by those of the code and configuration now on disk')
    try {
      const generation = await load(this.stopped.signal)
      this.logGeneration(generation)
      const renewed = pool.renewCertificate(generation)
      if (!renewed) await pool.replace(generation)
      this.completed(generation, renewed)
      return null
    } catch (error) {
      if (this.isStopped()) {
        logger.info('the upgrade is given up: the program ends')
        return 'the program ends'
      }
      metrics.upgraded('failure')
      logger.error({ why: messageOf(error) }, 'the upgrade has failed: workers not replaced go on serving')
      return messageOf(error)
    }
  }

  private completed(generation: Generation, renewed: boolean): void {
    const { upgraded, metrics, logger } = this.options
    const from = this.version
    this.version = generation.version
    upgraded(generation)
    metrics.upgraded('success')
    if (renewed) logger.info('the certificate is renewed; nothing else is new, so the workers go on')
    else
      logger.info({ from, to: generation.version, workers: generation.workers }, 'all workers are replaced')
  }

  private logGeneration(generation: Generation): void {
    const { started, logger } = this.options
    for (const remark of generation.remarks) logger.warn(remark)
    for (const key of restartOnlyChanges(started, generation))
      logger.warn({ key }, 'this key has changed: only a restart of the program takes it up')
    if (generation.version !== started.version)
      logger.info(
        { primary: started.version, workers: generation.version },
        'the primary itself stays of the version that it was started with',
      )
  }

  private mustRunAgain(): boolean {
    return this.requestedAgain && !this.isStopped()
  }

  private isStopped(): boolean {
    return this.stopped.signal.aborted
  }
}
