import type { Offset } from '@wazo-websocketd/shared/domain/identity'
import type { Clock, Timer } from '@wazo-websocketd/shared/runtime/clock'
import type { Position } from './cursor.js'
import { LogUnavailableError, type LogSource } from './log.js'
import type { CatchUpReader } from './ports.js'
import { read, type Page } from './recovery.js'

const RETRY_DELAY_MS = 200

export interface CatchUpOptions {
  readonly log: LogSource
  readonly clock: Clock
  readonly partition: number
  /** The offset up to which the session has been served. */
  readonly position: Offset
  /** The worker's own cursor, or null when it has none (any more). */
  readonly cursor: () => Position | null
  readonly reader: CatchUpReader
  /** Called once, when it is over in whatever way. */
  readonly done: () => void
}

/** One session behind the worker's cursor, reading the log until its position equals it. */
export class CatchUp {
  private readonly options: CatchUpOptions
  private position: Offset
  private over = false
  private retry: Timer | null = null

  constructor(options: CatchUpOptions) {
    this.options = options
    this.position = options.position
  }

  start(): void {
    // Never from within the call that asked for it: the caller does not hold the way to stop it yet.
    queueMicrotask(() => this.next())
  }

  stop(): void {
    if (this.over) return
    this.over = true
    this.retry?.cancel()
    this.options.done()
  }

  /** The partition's continuity is lost, and with it this session's. */
  lose(): void {
    if (this.over) return
    this.stop()
    this.options.reader.lost()
  }

  private next(): void {
    if (this.over) return
    const at = this.options.cursor()
    if (at === null) this.lose()
    else if (this.position >= at.offset) this.finish()
    else this.readPage()
  }

  private readPage(): void {
    this.options.log.page(this.options.partition, this.position).then(
      (page) => this.take(page),
      (error: unknown) => {
        if (!(error instanceof LogUnavailableError)) throw error
        this.wait()
      },
    )
  }

  /** Judged against the cursor of this moment: live events arrived while the page was read. */
  private take(page: Page): void {
    if (this.over) return
    const at = this.options.cursor()
    if (at === null) {
      this.lose()
      return
    }
    const goal = { heard: at.offset, ceiling: at.offset }
    const reading = read({ epoch: at.epoch, offset: this.position }, page, goal)
    if (reading.kind === 'lost') this.lose()
    else if (reading.kind === 'wait') this.wait()
    else {
      this.position = reading.reached
      for (const batch of reading.batches) {
        if (!this.stopped()) this.options.reader.events(batch)
      }
      this.next()
    }
  }

  /** Calls to the reader may stop this; asked anew after each of them. */
  private stopped(): boolean {
    return this.over
  }

  private finish(): void {
    this.stop()
    this.options.reader.live()
  }

  private wait(): void {
    if (!this.over) this.retry = this.options.clock.after(RETRY_DELAY_MS, () => this.next())
  }
}
