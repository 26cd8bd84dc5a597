import type { Offset, Position } from '@wazo-websocketd/shared/domain/position'
import type { Clock, Timer } from '@wazo-websocketd/shared/runtime/clock'
import { LogUnavailableError } from './log.js'
import type { LogSink } from './ports.js'
import { readPage, type Loss, type Page } from './page.js'
import type { SharedLog } from './shared-log.js'

const RETRY_DELAY_MS = 200
/** How often a socket that is full is looked at again. */
const PACE_DELAY_MS = 50
/** What another worker has delivered already is about to come here. */
const UNTIL_DELAY_MS = 10

export interface LogReaderOptions {
  readonly log: SharedLog
  readonly clock: Clock
  readonly partition: number
  /** Up to where the session has been served. */
  readonly position: Position
  /** Where to end; null: at the cursor, for good. */
  readonly until: Offset | null
  /** The worker's own cursor, or null when it has none (any more). */
  readonly cursor: () => Position | null
  readonly sink: LogSink
  /** Called once, when it is over in whatever way. */
  readonly done: () => void
}

/** One session that does not stand where the worker's cursor does, reading the log until it does. */
export class LogReader {
  private readonly options: LogReaderOptions
  private position: Position
  private ended = false
  private retry: Timer | null = null

  constructor(options: LogReaderOptions) {
    this.options = options
    this.position = options.position
  }

  start(): void {
    // Never from within the call that asked for it: the caller does not hold the way to stop it yet.
    queueMicrotask(() => this.step())
  }

  stop(): void {
    if (this.ended) return
    this.ended = true
    this.retry?.cancel()
    this.options.done()
  }

  /** What the session missed is gone. */
  lose(loss: Loss): void {
    if (this.ended) return
    this.stop()
    this.options.sink.lost(loss)
  }

  private step(): void {
    if (this.ended) return
    const at = this.options.cursor()
    if (at?.epoch !== this.position.epoch) this.lose('continuity')
    else if (this.isThere(at)) this.finish()
    else if (this.options.until !== null && this.position.offset >= at.offset) this.wait(UNTIL_DELAY_MS)
    // Served by a worker that was further than this one: its time comes.
    else if (this.position.offset > at.offset) this.wait(RETRY_DELAY_MS)
    else if (this.options.sink.congested()) this.wait(PACE_DELAY_MS)
    else this.readPage()
  }

  private isThere(cursor: Position): boolean {
    const { until } = this.options
    return until === null ? this.position.offset === cursor.offset : this.position.offset >= until
  }

  private readPage(): void {
    const { log, partition } = this.options
    log.page(partition, this.position).then(
      (page) => this.take(page),
      (error: unknown) => {
        if (!(error instanceof LogUnavailableError)) throw error
        this.wait(RETRY_DELAY_MS)
      },
    )
  }

  /** Judged against the cursor of this moment: live events arrived while the page was read. */
  private take(page: Page): void {
    if (this.ended) return
    const at = this.options.cursor()
    if (at?.epoch !== this.position.epoch) {
      this.lose('continuity')
      return
    }
    const goal = Math.min(at.offset, this.options.until ?? at.offset)
    const reading = readPage(this.position, page, { heard: goal, ceiling: goal })
    if (reading.kind === 'lost') this.lose(reading.loss)
    else if (reading.kind === 'wait') this.wait(RETRY_DELAY_MS)
    else {
      this.position = { epoch: at.epoch, offset: reading.reached }
      for (const batch of reading.batches) {
        if (!this.hasEnded()) this.options.sink.events(batch)
      }
      this.step()
    }
  }

  /** Calls to the reader may stop this; asked anew after each of them. */
  private hasEnded(): boolean {
    return this.ended
  }

  private finish(): void {
    this.stop()
    this.options.sink.live()
  }

  private wait(ms: number): void {
    if (!this.ended) this.retry = this.options.clock.after(ms, () => this.step())
  }
}
