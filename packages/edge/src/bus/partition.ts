import { EnvelopeError, type SealedBatch, type StateMessage } from '@wazo-websocketd/shared/domain/envelope'
import type { BusEvent } from '@wazo-websocketd/shared/domain/event'
import type { Epoch, Offset, Position } from '@wazo-websocketd/shared/domain/position'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import type { Logger } from 'pino'
import { LogReader } from './log-reader.js'
import { between, classify } from './cursor.js'
import { StaleSubscription } from './stale-subscription.js'
import { OtherEpochs } from './other-epochs.js'
import { LogUnavailableError, type LogSource } from './log.js'
import type { BusMetrics } from './metrics.js'
import type { LogSink } from './ports.js'
import { readPage, type Page } from './page.js'
import type { SharedLog } from './shared-log.js'
import { Standstill } from './standstill.js'

const RETRY_DELAY_MS = 200
/** A look into the log takes milliseconds; only a longer one is worth telling. */
const UNVERIFIED_REPORTED_MS = 1_000

/** What a partition tells; synchronous. */
export interface PartitionListener {
  events(partition: number, events: readonly BusEvent[]): void
  lost(partition: number, why: string): void
  /** The partition went live, or is not any more. */
  changed(): void
  /** The log holds what should have arrived over the subscription. */
  stale(): void
}

export interface PartitionOptions {
  readonly partition: number
  readonly log: LogSource
  readonly clock: Clock
  /** For sessions that are behind; the worker itself always asks Redis. */
  readonly sharedLog: SharedLog
  readonly logger: Logger
  readonly metrics: BusMetrics
  readonly listener: PartitionListener
  /** `redis.lost_grace`: how long continuity may be in doubt. */
  readonly lostGraceMs: number
}

/** One partition as this worker follows it: the cursor, and whether it is proven. */
export class Partition {
  private readonly options: PartitionOptions
  /** null before the first use, and after a loss until the head has been read again. */
  private at: Position | null = null
  private phase: 'unsubscribed' | 'reading' | 'live' = 'unsubscribed'
  private lastSeen: { epoch: Epoch; last: Offset } | null = null
  /** Rises whenever the running read must not go on. */
  private run = 0
  private unverifiedSince: number | null
  private readonly staleness: StaleSubscription
  private readonly otherEpochs = new OtherEpochs()
  /** When the running recovery began, whether it is but a look, and whether it has found events. */
  private readSince = 0
  private looks = false
  private foundEvents = false
  /** The running read establishes a first position: nothing is recovered by it. */
  private first = false
  private standstill = new Standstill()
  /** Something in the sequence could not be read, and no batch has been since: a new start would only lose again. */
  private unreadable: string | null = null
  private readonly readers = new Set<LogReader>()

  constructor(options: PartitionOptions) {
    this.options = options
    this.unverifiedSince = options.clock.monotonic()
    this.staleness = new StaleSubscription(this.unverifiedSince)
  }

  /** The position up to which events have been delivered, or null when none is known. */
  get position(): Position | null {
    return this.at
  }

  get live(): boolean {
    return this.phase === 'live'
  }

  /** What keeps the partition from being live, in words; null when it is, or was a moment ago. */
  notReadyReason(): string | null {
    if (this.live) return null
    const inDoubtMs = this.options.clock.monotonic() - (this.unverifiedSince ?? -Infinity)
    if (this.at !== null && this.phase === 'reading' && inDoubtMs < UNVERIFIED_REPORTED_MS) return null
    const { partition } = this.options
    if (this.unreadable !== null) return `partition ${partition}: ${this.unreadable}`
    return `partition ${partition}: ${this.phase === 'unsubscribed' ? 'not subscribed' : 'reading the log'}`
  }

  /** Redis confirmed the subscription. */
  subscribed(): void {
    this.staleness.restart(this.options.clock.monotonic())
    this.recover()
  }

  /** The subscription is gone. */
  interrupted(): void {
    this.unverify('unsubscribed')
  }

  /** Ends everything without a word: nobody needs the partition any more. */
  close(): void {
    this.unverify('unsubscribed')
    for (const reader of [...this.readers]) reader.stop()
  }

  batch(batch: SealedBatch): void {
    const now = this.options.clock.monotonic()
    const other = this.at !== null && batch.epoch !== this.at.epoch
    if (!other) this.staleness.messageReceived(now)
    else if (!this.otherEpochs.received(batch.epoch, now)) return
    // A state shows nothing: it may be that of an older ingest, which follows a newer one.
    this.readableAgain()
    if (!other && (this.lastSeen?.epoch !== batch.epoch || this.lastSeen.last < batch.last))
      this.lastSeen = { epoch: batch.epoch, last: batch.last }
    if (this.phase !== 'live' || this.at === null) return
    const step = classify(this.at, batch)
    if (step === 'deliver') this.deliver(this.at, batch)
    else if (step === 'recover') this.recover(other)
  }

  /** A state came over the partition's own channel. False: it is of another epoch than the one in force, and says nothing here. */
  ownState({ epoch }: StateMessage): boolean {
    if (epoch === null || this.at === null) return true
    const now = this.options.clock.monotonic()
    if (epoch === this.at.epoch) this.staleness.messageReceived(now)
    else this.otherEpochs.received(epoch, now)
    return epoch === this.at.epoch
  }

  /** A state of an ingest, from whichever channel: its head shows whether batches are missing here. */
  state({ epoch, heads }: StateMessage): void {
    const head = heads[this.options.partition]
    if (head === undefined || epoch === null || this.phase !== 'live' || this.at === null) return
    const now = this.options.clock.monotonic()
    if (epoch !== this.at.epoch) {
      this.otherEpochs.received(epoch, now)
      return
    }
    this.staleness.headReported(head > this.at.offset, now)
    this.standstill.heads(head, heads, now)
  }

  private readableAgain(): void {
    if (this.unreadable === null) return
    this.unreadable = null
    const { logger, partition } = this.options
    if (this.at === null) logger.info({ partition }, 'batches can be read again')
  }

  /** A message that could not be read: what it held is only in the log, if anywhere. */
  unreadableMessage(why: string): void {
    this.unreadable = why
    if (this.phase === 'live') this.recover()
  }

  /** Reads what the subscription cannot hear for now. */
  poll(): void {
    if (this.phase === 'live') this.recover(true)
  }

  /** To be called a few times a second. `awaited`: somebody waits for the partition to be live. */
  tick(awaited: boolean): void {
    const now = this.options.clock.monotonic()
    const overdue = this.unverifiedSince !== null && now - this.unverifiedSince >= this.options.lostGraceMs
    if (overdue && (this.at !== null || awaited)) this.lose('continuity could not be proven in time')
    if (this.standstill.due(this.options.lostGraceMs, now)) {
      this.lose('it stands still while others move')
      if (this.phase !== 'unsubscribed') this.recover()
    }
    if (this.phase !== 'live') return
    const suspicion = this.staleness.suspicionDue(now)
    if (suspicion !== null || this.otherEpochs.checkDue(now)) this.recover(suspicion !== 'head')
  }

  /** Ends all sessions of the partition; the cursor stays where it is when Redis is not to blame. */
  notifyLost(why: string): void {
    this.options.listener.lost(this.options.partition, why)
    for (const reader of [...this.readers]) reader.lose('continuity')
  }

  readLog(position: Position, sink: LogSink, until: Offset | null = null): () => void {
    const { sharedLog, clock, partition } = this.options
    const reader: LogReader = new LogReader({
      log: sharedLog,
      clock,
      partition,
      position,
      until,
      sink,
      cursor: () => this.at,
      done: () => this.readers.delete(reader),
    })
    this.readers.add(reader)
    reader.start()
    return () => reader.stop()
  }

  private deliver(at: Position, batch: SealedBatch): void {
    let events: BusEvent[]
    try {
      events = batch.open()
    } catch (error) {
      if (!(error instanceof EnvelopeError)) throw error
      this.options.metrics.unreadable()
      this.unreadableMessage(error.message)
      return
    }
    this.advance(between(events, at.offset, batch.last), batch.last)
  }

  /** The cursor moves first: whoever asks for it while being served sees where this batch leads. */
  private advance(events: readonly BusEvent[], reached: Offset): void {
    if (this.at === null) return
    this.at = { epoch: this.at.epoch, offset: reached }
    this.staleness.cursorMoved()
    if (events.length === 0) return
    this.options.listener.events(this.options.partition, events)
  }

  private unverify(phase: 'unsubscribed' | 'reading'): void {
    const wasLive = this.live
    this.phase = phase
    this.run++
    this.unverifiedSince ??= this.options.clock.monotonic()
    if (wasLive) this.options.listener.changed()
  }

  /** `looks`: where nothing was missing, that was no recovery. */
  private recover(looks = false): void {
    this.unverify('reading')
    this.staleness.reads(this.at?.offset ?? null)
    this.readSince = this.options.clock.monotonic()
    this.looks = looks
    this.foundEvents = false
    this.readOn(this.run)
  }

  private readOn(run: number): void {
    if (run !== this.run) return
    this.options.log.page(this.options.partition, this.at?.offset ?? null).then(
      (page) => {
        if (run === this.run) this.take(run, page)
      },
      (error: unknown) => {
        if (!(error instanceof LogUnavailableError)) throw error
        this.readLater(run)
      },
    )
  }

  private readLater(run: number): void {
    this.options.clock.after(RETRY_DELAY_MS, () => this.readOn(run))
  }

  private take(run: number, page: Page): void {
    if (this.at === null) {
      if (page.unreadable !== undefined) this.unreadable = page.unreadable
      if (page.meta === null || this.unreadable !== null) {
        this.readLater(run)
        return
      }
      this.at = { epoch: page.meta.epoch, offset: page.meta.head }
      this.first = true
    }
    const heard = this.lastSeen?.epoch === this.at.epoch ? this.lastSeen.last : 0
    const reading = readPage(this.at, page, { heard, ceiling: Infinity })
    if (reading.kind === 'lost') {
      if (reading.unreadable === true) {
        this.options.metrics.unreadable()
        this.unreadable ??= reading.why
      }
      this.lose(reading.why)
      this.readOn(this.run)
    } else if (reading.kind === 'wait') this.readLater(run)
    else {
      for (const batch of reading.batches) this.advance(batch, batch[batch.length - 1]?.offset ?? 0)
      this.advance([], reading.reached)
      // A listener that ended this very partition meanwhile is heeded.
      if (run !== this.run) return
      if (reading.batches.length > 0) this.foundEvents = true
      if (reading.complete) this.goLive()
      else this.readOn(run)
    }
  }

  private goLive(): void {
    const now = this.options.clock.monotonic()
    const deaf = this.staleness.recovered(this.at?.offset ?? 0, this.foundEvents)
    this.otherEpochs.markForeign(this.readSince, now)
    if (!this.first && (this.foundEvents || !this.looks)) this.options.metrics.recovery('recovered')
    this.first = false
    this.unreadable = null // the log holds it in a form that is known, or not at all
    this.phase = 'live'
    this.unverifiedSince = null
    this.staleness.restart(now)
    this.options.listener.changed()
    if (deaf) this.options.listener.stale()
  }

  /** Forgets the numbering: the next position is the head as it will be read. */
  private lose(why: string): void {
    this.options.logger.error({ partition: this.options.partition, why }, 'continuity of events lost')
    this.options.metrics.recovery('lost')
    this.at = null
    this.lastSeen = null
    this.otherEpochs.clear()
    this.standstill = new Standstill()
    this.unverifiedSince = this.options.clock.monotonic()
    this.notifyLost(why)
  }
}
