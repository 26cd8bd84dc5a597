import { programVersion } from '@wazo-websocketd/shared/runtime/version'
import { WorkerAnswers } from '../admin/worker-answers.js'
import type { Auth } from '../auth/auth.js'
import { DescriptorCheck } from '../process/descriptor-check.js'
import { openFilesMax } from '../process/open-files.js'
import type { PrimaryLink } from '../process/primary-link.js'
import { Readiness } from '../process/readiness.js'
import type { WorkerContext } from './context.js'
import type { Serving } from './serving.js'

export interface ReportingOptions {
  readonly context: WorkerContext
  readonly link: PrimaryLink
  /** What keeps a client that is connected from being served, in words. */
  readonly serviceReasons: () => readonly string[]
  readonly draining: () => boolean
}

/** Tells the primary what it is to know of this worker: readiness, metrics, and answers to operators. */
export class Reporting {
  readonly readiness: Readiness
  private readonly options: ReportingOptions
  private readonly descriptors: DescriptorCheck

  constructor(options: ReportingOptions) {
    this.options = options
    this.readiness = new Readiness(
      () => this.notReadyReasons(),
      (reasons) => options.link.reportNotReady(reasons),
    )
    this.descriptors = new DescriptorCheck({
      clock: options.context.clock,
      changed: (exhausted) => this.descriptorsChanged(exhausted),
    })
  }

  watchDescriptors(): void {
    this.descriptors.start()
  }

  /** Answers the primary from now on, and pushes metrics to it. */
  answerPrimary({ sessions, bus, losses }: Serving, auth: Auth): void {
    const { context, link } = this.options
    const answers = new WorkerAnswers({
      slot: context.place.slot,
      version: programVersion(),
      sessions,
      bus,
      losses,
      masterTenant: () => auth.masterTenant,
      notReadyReasons: () => this.notReadyReasons(),
      indexed: () => context.index.size,
      clock: context.clock,
    })
    link.answerBy((question) => answers.answer(question))
    link.pushMetrics(() => context.metrics.snapshot())
  }

  stop(): void {
    this.descriptors.stop()
  }

  private notReadyReasons(): readonly string[] {
    if (this.options.draining()) return ['draining']
    return [...this.options.serviceReasons(), ...(this.descriptors.exhausted ? ['free file descriptor'] : [])]
  }

  private descriptorsChanged(exhausted: boolean): void {
    const { log } = this.options.context
    if (exhausted) log.error({ openFilesMax: openFilesMax() }, 'no free file descriptor: clients are refused')
    else log.info('file descriptors are free again')
    this.readiness.update()
  }
}
