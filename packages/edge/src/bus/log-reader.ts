import type { Offset, Position } from '@wazo-websocketd/shared/domain/position'
import type { Clock, Timer } from '@wazo-websocketd/shared/runtime/clock'
import { READ_RETRY_MS, whenRead } from './log.js'
import { readPage, type Loss, type Page } from './page.js'
import type { LogSink } from './ports.js'
import type { SharedLog } from './shared-log.js'

/** How often a full socket is asked again whether it takes more. */
const PACE_DELAY_MS = 50
/** How often to compare with the cursor again: what another worker has delivered already is about to come here. */
const UNTIL_DELAY_MS = 10
const OTHER_EPOCH = 'the worker follows another epoch'

export interface LogReaderOptions {
  readonly log: SharedLog
  readonly clock: Clock
  readonly partition: number
  /** The position up to which the session has been served. */
  readonly position: Position
  /** Where to end; null: at the cursor, for good. */
  readonly until: Offset | null
  /** The worker's own cursor, or null when it has none (any more). */
  readonly cursor: () => Position | null
  readonly sink: LogSink
  /** Called once, when the reading has ended in whatever way. */
  readonly done: () => void
}

/** Reads the log for one session whose position is not the worker's cursor, until it is. */
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

  /** Ends the reading: what the session missed is gone. */
  lose(loss: Loss, why: string): void {
    if (this.ended) return
    this.stop()
    this.options.sink.lost(loss, why)
  }

  private step(): void {
    if (this.ended) return
    const at = this.options.cursor()
    if (at?.epoch !== this.position.epoch) this.lose('continuity', OTHER_EPOCH)
    else if (this.hasArrived(at)) this.finish()
    else if (this.options.until !== null && this.position.offset >= at.offset) this.wait(UNTIL_DELAY_MS)
    // Another worker that was ahead of this one has served the session: the cursor will come there.
    else if (this.position.offset > at.offset) this.wait(READ_RETRY_MS)
    else if (this.options.sink.congested()) this.wait(PACE_DELAY_MS)
    else this.read()
  }

  private hasArrived(cursor: Position): boolean {
    const { until } = this.options
    return until === null ? this.position.offset === cursor.offset : this.position.offset >= until
  }

  private read(): void {
    const { log, partition } = this.options
    whenRead(
      log.page(partition, this.position),
      (page) => this.take(page),
      () => this.wait(READ_RETRY_MS),
    )
  }

  /** Compares with the cursor of this moment: live events arrived while the page was read. */
  private take(page: Page): void {
    if (this.ended) return
    const at = this.options.cursor()
    if (at?.epoch !== this.position.epoch) {
      this.lose('continuity', OTHER_EPOCH)
      return
    }
    const goal = Math.min(at.offset, this.options.until ?? at.offset)
    const reading = readPage(this.position, page, { lastSeen: goal, ceiling: goal })
    if (reading.kind === 'lost') this.lose(reading.loss, reading.why)
    else if (reading.kind === 'wait') this.wait(READ_RETRY_MS)
    else {
      this.position = { epoch: at.epoch, offset: reading.reached }
      for (const batch of reading.batches) {
        if (!this.hasEnded()) this.options.sink.events(batch)
      }
      this.step()
    }
  }

  /** Calls to the sink may stop this reader, so this is asked anew after each of them. */
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
