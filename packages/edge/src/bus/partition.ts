import { EnvelopeError, type SealedBatch, type State } from '@wazo-websocketd/shared/domain/envelope'
import type { BusEvent } from '@wazo-websocketd/shared/domain/event'
import type { Epoch, Offset } from '@wazo-websocketd/shared/domain/identity'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import type { Logger } from 'pino'
import { CatchUp } from './log-reader.js'
import { between, judge, type Position } from './cursor.js'
import { Deafness } from './stale-subscription.js'
import { OtherEpochs } from './other-epochs.js'
import { LogUnavailableError, type LogSource } from './log.js'
import type { BusMetrics } from './metrics.js'
import type { CatchUpReader } from './ports.js'
import { read, type Page } from './page.js'
import type { SharedLog } from './shared-log.js'
import { Standstill } from './standstill.js'

const RETRY_DELAY_MS = 200
/** A look into the log takes milliseconds; only a longer one is worth telling. */
const DOUBT_TOLD_MS = 1_000

/** What a partition tells; synchronous. */
export interface PartitionListener {
  events(partition: number, events: readonly BusEvent[]): void
  lost(partition: number, why: string): void
  /** The partition went live, or is not any more. */
  changed(): void
  /** The log holds what should have arrived over the subscription. */
  deaf(): void
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
  private heard: { epoch: Epoch; last: Offset } | null = null
  /** Rises whenever the running read must not go on. */
  private run = 0
  private doubtSince: number | null
  private readonly deafness: Deafness
  private readonly others = new OtherEpochs()
  /** When the running recovery began, whether it is but a look, and whether it has found events. */
  private readSince = 0
  private looks = false
  private foundEvents = false
  /** The running read establishes a first position: nothing is recovered by it. */
  private first = false
  private standstill = new Standstill()
  /** Something in the sequence could not be read, and no batch has been since: a new start would only lose again. */
  private unreadable: string | null = null
  private readonly catchUps = new Set<CatchUp>()

  constructor(options: PartitionOptions) {
    this.options = options
    this.doubtSince = options.clock.monotonic()
    this.deafness = new Deafness(this.doubtSince)
  }

  /** The position up to which events have been delivered, or null when none is known. */
  get position(): Position | null {
    return this.at
  }

  get live(): boolean {
    return this.phase === 'live'
  }

  /** What keeps the partition from being live, in words; null when it is, or was a moment ago. */
  missing(): string | null {
    if (this.live) return null
    const inDoubtMs = this.options.clock.monotonic() - (this.doubtSince ?? -Infinity)
    if (this.at !== null && this.phase === 'reading' && inDoubtMs < DOUBT_TOLD_MS) return null
    const { partition } = this.options
    if (this.unreadable !== null) return `partition ${partition}: ${this.unreadable}`
    return `partition ${partition}: ${this.phase === 'unsubscribed' ? 'not subscribed' : 'reading the log'}`
  }

  /** Redis confirmed the subscription. */
  subscribed(): void {
    this.deafness.begin(this.options.clock.monotonic())
    this.recover()
  }

  /** The subscription is gone. */
  interrupted(): void {
    this.doubt('unsubscribed')
  }

  /** Ends everything without a word: nobody needs the partition any more. */
  close(): void {
    this.doubt('unsubscribed')
    for (const catchUp of [...this.catchUps]) catchUp.stop()
  }

  batch(batch: SealedBatch): void {
    const now = this.options.clock.monotonic()
    const other = this.at !== null && batch.epoch !== this.at.epoch
    if (!other) this.deafness.heard(now)
    else if (!this.others.heard(batch.epoch, now)) return
    // A state shows nothing: it may be that of an older ingest, which follows a newer one.
    this.readable()
    if (!other && (this.heard?.epoch !== batch.epoch || this.heard.last < batch.last))
      this.heard = { epoch: batch.epoch, last: batch.last }
    if (this.phase !== 'live' || this.at === null) return
    const step = judge(this.at, batch)
    if (step === 'deliver') this.deliver(this.at, batch)
    else if (step === 'recover') this.recover(other)
  }

  /** A state came over the partition's own channel. False: it is of another epoch than the one in force, and says nothing here. */
  own({ epoch }: State): boolean {
    if (epoch === null || this.at === null) return true
    const now = this.options.clock.monotonic()
    if (epoch === this.at.epoch) this.deafness.heard(now)
    else this.others.heard(epoch, now)
    return epoch === this.at.epoch
  }

  /** A state of an ingest, from whichever channel: its head shows whether batches are missing here. */
  state({ epoch, heads }: State): void {
    const head = heads[this.options.partition]
    if (head === undefined || epoch === null || this.phase !== 'live' || this.at === null) return
    const now = this.options.clock.monotonic()
    if (epoch !== this.at.epoch) {
      this.others.heard(epoch, now)
      return
    }
    this.deafness.head(head > this.at.offset, now)
    this.standstill.heads(head, heads, now)
  }

  private readable(): void {
    if (this.unreadable === null) return
    this.unreadable = null
    const { logger, partition } = this.options
    if (this.at === null) logger.info({ partition }, 'batches can be read again')
  }

  /** A message that could not be read: what it held is only in the log, if anywhere. */
  garbled(why: string): void {
    this.unreadable = why
    if (this.phase === 'live') this.recover()
  }

  /** Reads what the subscription cannot hear for now. */
  look(): void {
    if (this.phase === 'live') this.recover(true)
  }

  /** To be called a few times a second. `awaited`: somebody waits for the partition to be live. */
  tick(awaited: boolean): void {
    const now = this.options.clock.monotonic()
    const overdue = this.doubtSince !== null && now - this.doubtSince >= this.options.lostGraceMs
    if (overdue && (this.at !== null || awaited)) this.lose('continuity could not be proven in time')
    if (this.standstill.due(this.options.lostGraceMs, now)) {
      this.lose('it stands still while others move')
      if (this.phase !== 'unsubscribed') this.recover()
    }
    if (this.phase !== 'live') return
    const suspicion = this.deafness.due(now)
    if (suspicion !== null || this.others.due(now)) this.recover(suspicion !== 'head')
  }

  /** Ends all sessions of the partition; the cursor stays where it is when Redis is not to blame. */
  tellLost(why: string): void {
    this.options.listener.lost(this.options.partition, why)
    for (const catchUp of [...this.catchUps]) catchUp.lose('continuity')
  }

  catchUp(position: Position, reader: CatchUpReader, until: Offset | null = null): () => void {
    const { sharedLog, clock, partition } = this.options
    const catchUp: CatchUp = new CatchUp({
      log: sharedLog,
      clock,
      partition,
      position,
      until,
      reader,
      cursor: () => this.at,
      done: () => this.catchUps.delete(catchUp),
    })
    this.catchUps.add(catchUp)
    catchUp.start()
    return () => catchUp.stop()
  }

  private deliver(at: Position, batch: SealedBatch): void {
    let events: BusEvent[]
    try {
      events = batch.open()
    } catch (error) {
      if (!(error instanceof EnvelopeError)) throw error
      this.options.metrics.unreadable()
      this.garbled(error.message)
      return
    }
    this.hand(between(events, at.offset, batch.last), batch.last)
  }

  /** The cursor moves first: whoever asks for it while being served sees where this batch leads. */
  private hand(events: readonly BusEvent[], reached: Offset): void {
    if (this.at === null) return
    this.at = { epoch: this.at.epoch, offset: reached }
    this.deafness.moved()
    if (events.length === 0) return
    this.options.listener.events(this.options.partition, events)
  }

  private doubt(phase: 'unsubscribed' | 'reading'): void {
    const wasLive = this.live
    this.phase = phase
    this.run++
    this.doubtSince ??= this.options.clock.monotonic()
    if (wasLive) this.options.listener.changed()
  }

  /** `looks`: where nothing was missing, that was no recovery. */
  private recover(looks = false): void {
    this.doubt('reading')
    this.deafness.reads(this.at?.offset ?? null)
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
    const heard = this.heard?.epoch === this.at.epoch ? this.heard.last : 0
    const reading = read(this.at, page, { heard, ceiling: Infinity })
    if (reading.kind === 'lost') {
      if (reading.unreadable === true) {
        this.options.metrics.unreadable()
        this.unreadable ??= reading.why
      }
      this.lose(reading.why)
      this.readOn(this.run)
    } else if (reading.kind === 'wait') this.readLater(run)
    else {
      for (const batch of reading.batches) this.hand(batch, batch[batch.length - 1]?.offset ?? 0)
      this.hand([], reading.reached)
      // A listener that ended this very partition meanwhile is heeded.
      if (run !== this.run) return
      if (reading.batches.length > 0) this.foundEvents = true
      if (reading.complete) this.goLive()
      else this.readOn(run)
    }
  }

  private goLive(): void {
    const now = this.options.clock.monotonic()
    const deaf = this.deafness.read(this.at?.offset ?? 0, this.foundEvents)
    this.others.answered(this.readSince, now)
    if (!this.first && (this.foundEvents || !this.looks)) this.options.metrics.recovery('recovered')
    this.first = false
    this.unreadable = null // the log holds it in a form that is known, or not at all
    this.phase = 'live'
    this.doubtSince = null
    this.deafness.begin(now)
    this.options.listener.changed()
    if (deaf) this.options.listener.deaf()
  }

  /** Forgets the numbering: the next position is the head as it will be read. */
  private lose(why: string): void {
    this.options.logger.error({ partition: this.options.partition, why }, 'continuity of events lost')
    this.options.metrics.recovery('lost')
    this.at = null
    this.heard = null
    this.others.clear()
    this.standstill = new Standstill()
    this.doubtSince = this.options.clock.monotonic()
    this.tellLost(why)
  }
}
