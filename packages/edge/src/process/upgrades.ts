/** SIGHUP: the workers become those of the code and the configuration now on disk. */
import { messageOf } from '@wazo-websocketd/shared/runtime/startup-error'
import type { Logger } from 'pino'
import { restartOnlyChanges, type Generation } from './generation.js'
import type { UpgradeMetrics } from './metrics.js'
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
  readonly logger: Logger
}

export class Upgrades {
  private readonly options: UpgradeOptions
  private readonly stopped = new AbortController()
  /** Of all workers, but for those that the last upgrade left alone because it failed. */
  private version: string
  private underWay = false
  /** A request came while an upgrade was under way: what is on disk may have changed since it was read. */
  private requestedAgain = false

  constructor(options: UpgradeOptions) {
    this.options = options
    this.version = options.started.version
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
      await this.upgrade()
      this.options.metrics.upgrading(false)
    } while (this.mustRunAgain())
    this.underWay = false
  }

  private async upgrade(): Promise<void> {
    const { load, pool, metrics, logger } = this.options
    logger.info('SIGHUP: replacing the workers by those of the code and configuration now on disk')
    try {
      const generation = await load(this.stopped.signal)
      this.logGeneration(generation)
      const renewed = pool.renewCertificate(generation)
      if (!renewed) await pool.replace(generation)
      this.completed(generation, renewed)
    } catch (error) {
      if (this.isStopped()) {
        logger.info('the upgrade is given up: the program ends')
        return
      }
      metrics.upgraded('failure')
      logger.error({ why: messageOf(error) }, 'the upgrade has failed: workers not replaced go on serving')
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
