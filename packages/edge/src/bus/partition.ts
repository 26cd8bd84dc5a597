import type { SealedBatch, State } from '@wazo-websocketd/shared/domain/envelope'
import { EnvelopeError } from '@wazo-websocketd/shared/domain/envelope'
import type { BusEvent } from '@wazo-websocketd/shared/domain/event'
import type { Epoch, Offset } from '@wazo-websocketd/shared/domain/identity'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import type { Logger } from 'pino'
import { CatchUp } from './catch-up.js'
import { between, judge, type Position } from './cursor.js'
import { LogUnavailableError, type LogSource } from './log.js'
import type { BusMetrics } from './metrics.js'
import type { CatchUpReader } from './ports.js'
import { read, type Page } from './recovery.js'
import type { SharedLog } from './shared-log.js'

/** With neither batch nor state for so long, the subscription may be deaf. */
const SILENCE_MS = 3_000
/** A head above the cursor may be a batch under way; for so long it is not. */
const HEAD_ABOVE_MS = 1_000
/** So many recoveries in a row that find what should have come live, and no word in between: the subscription is deaf. */
const UNHEARD_MAX = 2
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
  private lastMessageAt: number
  private headAboveSince: number | null = null
  /** Why the subscription may be deaf, until it is heard again. The silence may be that of the ingests: the log tells. */
  private suspicion: 'silence' | 'head' | null = null
  /** Recoveries in a row that found what nobody had heard. */
  private unheard = 0
  /** Where the running recovery began, and whether it has found events. */
  private recoversFrom: Offset | null = null
  private foundEvents = false
  /** The running read establishes a first position: nothing is recovered by it. */
  private first = false
  /** Something in the sequence could not be read, and no batch has been since: a new start would only lose again. */
  private unreadable: string | null = null
  private outOfGrace = false
  private readonly catchUps = new Set<CatchUp>()

  constructor(options: PartitionOptions) {
    this.options = options
    this.lastMessageAt = options.clock.monotonic()
    this.doubtSince = options.clock.monotonic()
  }

  /** The position up to which events have been delivered, or null when none is known. */
  get position(): Position | null {
    return this.at
  }

  get live(): boolean {
    return this.phase === 'live'
  }

  /** Continuity could not be proven within the grace, nor since. */
  get givenUp(): boolean {
    return this.outOfGrace
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
    this.lastMessageAt = this.options.clock.monotonic()
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

  /** A message that can be read came over the partition's own channel. */
  alive(): void {
    this.lastMessageAt = this.options.clock.monotonic()
    this.suspicion = null
    this.unheard = 0
  }

  batch(batch: SealedBatch): void {
    this.alive()
    // A state shows nothing: it may be that of an older ingest, which follows a newer one.
    this.readable()
    if (this.heard?.epoch !== batch.epoch || this.heard.last < batch.last)
      this.heard = { epoch: batch.epoch, last: batch.last }
    if (this.phase !== 'live' || this.at === null) return
    const step = judge(this.at, batch)
    if (step === 'deliver') this.deliver(this.at, batch)
    else if (step === 'recover') this.recover()
  }

  /** A state of an ingest, from whichever channel: its head shows whether batches are missing here. */
  state(state: State): void {
    const head = state.heads[this.options.partition]
    if (head === undefined || this.phase !== 'live' || this.at === null) return
    const above = state.epoch !== this.at.epoch || head > this.at.offset
    if (above) this.headAboveSince ??= this.options.clock.monotonic()
    else this.headAboveSince = null
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

  /** To be called a few times a second. `awaited`: somebody waits for the partition to be live. */
  tick(awaited: boolean): void {
    const now = this.options.clock.monotonic()
    const overdue = this.doubtSince !== null && now - this.doubtSince >= this.options.lostGraceMs
    if (overdue && (this.at !== null || awaited)) {
      this.outOfGrace = true
      this.lose('continuity could not be proven in time')
    }
    if (this.phase !== 'live') return
    if (now - this.lastMessageAt >= SILENCE_MS) {
      this.lastMessageAt = now
      this.suspicion = 'silence'
      this.recover()
    } else if (this.headAboveSince !== null && now - this.headAboveSince >= HEAD_ABOVE_MS) {
      this.suspicion ??= 'head'
      this.recover()
    }
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
    this.headAboveSince = null
    if (events.length === 0) return
    this.options.listener.events(this.options.partition, events)
  }

  private doubt(phase: 'unsubscribed' | 'reading'): void {
    const wasLive = this.live
    this.phase = phase
    this.run++
    this.headAboveSince = null
    this.doubtSince ??= this.options.clock.monotonic()
    if (wasLive) this.options.listener.changed()
  }

  private recover(): void {
    this.doubt('reading')
    this.recoversFrom = this.at?.offset ?? null
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
    const deaf = this.isDeaf()
    if (deaf) this.unheard = 0
    // A look after a silence that finds nothing is no recovery.
    if (!this.first && (this.foundEvents || this.suspicion !== 'silence'))
      this.options.metrics.recovery('recovered')
    this.first = false
    this.suspicion = null
    this.unreadable = null // the log holds it in a form that is known, or not at all
    this.phase = 'live'
    this.doubtSince = null
    this.outOfGrace = false
    this.lastMessageAt = this.options.clock.monotonic()
    this.options.listener.changed()
    if (deaf) this.options.listener.deaf()
  }

  /** Judges the subscription by what this recovery has found that should have come live. */
  private isDeaf(): boolean {
    const { suspicion, recoversFrom, at } = this
    if (suspicion === null || recoversFrom === null || at === null || at.offset === recoversFrom) return false
    this.unheard++
    return (suspicion === 'silence' && this.foundEvents) || this.unheard >= UNHEARD_MAX
  }

  /** Forgets the numbering: the next position is the head as it will be read. */
  private lose(why: string): void {
    this.options.logger.error({ partition: this.options.partition, why }, 'continuity of events lost')
    this.options.metrics.recovery('lost')
    this.at = null
    this.heard = null
    this.doubtSince = this.options.clock.monotonic()
    this.tellLost(why)
  }
}
