import { EnvelopeError, type SealedBatch, type StateMessage } from '@wazo-websocketd/shared/domain/envelope'
import type { BusEvent } from '@wazo-websocketd/shared/domain/event'
import type { Epoch, Offset, Position } from '@wazo-websocketd/shared/domain/position'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import type { Logger } from 'pino'
import { between, classify } from './cursor.js'
import { LogReader } from './log-reader.js'
import { READ_RETRY_MS, whenRead, type LogSource } from './log.js'
import type { BusMetrics } from './metrics.js'
import { OtherEpochs } from './other-epochs.js'
import { readPage, type Page } from './page.js'
import type { LogSink, Reach } from './ports.js'
import { askReach } from './reach.js'
import type { SharedLog } from './shared-log.js'
import { StaleSubscription } from './stale-subscription.js'
import { Standstill } from './standstill.js'

/** A read of the log takes milliseconds; only a longer one is reported. */
const UNVERIFIED_REPORTED_MS = 1_000

/** What a partition reports; all calls are synchronous. */
export interface PartitionListener {
  events(partition: number, events: readonly BusEvent[]): void
  lost(partition: number, why: string): void
  /** The partition went live, or stopped being live. */
  changed(): void
  /** The log holds what should have arrived over the subscription. */
  stale(): void
}

export interface PartitionOptions {
  readonly partition: number
  readonly log: LogSource
  readonly clock: Clock
  /** For sessions that lag behind; the worker itself always asks Redis. */
  readonly sharedLog: SharedLog
  readonly logger: Logger
  readonly metrics: BusMetrics
  readonly listener: PartitionListener
  /** `redis.lost_grace`: how long continuity may be in doubt. */
  readonly lostGraceMs: number
}

/** One recovery: the log is read from the cursor on until continuity is proven. */
interface Recovery {
  /** Monotonic milliseconds. */
  readonly beganAt: number
  /** Where it began; null: no position was known. */
  readonly from: Offset | null
  /** It only checks: where nothing was missing, nothing has been recovered. */
  readonly isCheck: boolean
  foundEvents: boolean
}

/** Continuity is not proven since then. */
interface Unverified {
  /** Monotonic milliseconds. */
  readonly since: number
  /** No position was proven before: going live recovers nothing. */
  readonly first: boolean
}

/** Follows one partition for this worker: moves the cursor, and knows whether it is proven. */
export class Partition {
  private readonly options: PartitionOptions
  /** null before the first use, and after a loss until the head has been read again. */
  private at: Position | null = null
  /** A recovery reads the log; it goes on for as long as it stands here. */
  private state: 'unsubscribed' | 'live' | Recovery = 'unsubscribed'
  private lastSeen: { readonly epoch: Epoch; readonly last: Offset } | null = null
  /** null: the partition is live. */
  private unverified: Unverified | null
  private standstill = new Standstill()
  /** Why a message could not be read, until the next one that can: a new start would only lose again. */
  private unreadable: string | null = null
  private readonly staleness: StaleSubscription
  private readonly otherEpochs = new OtherEpochs()
  private readonly readers = new Set<LogReader>()

  constructor(options: PartitionOptions) {
    const since = options.clock.monotonic()
    this.options = options
    this.unverified = { since, first: true }
    this.staleness = new StaleSubscription(since)
  }

  /** The position up to which events have been delivered, or null when none is known. */
  get position(): Position | null {
    return this.at
  }

  get live(): boolean {
    return this.state === 'live'
  }

  /** What keeps the partition from being live, in words; null when it is, or was a moment ago. */
  notReadyReason(): string | null {
    if (this.live) return null
    const subscribed = this.state !== 'unsubscribed'
    const unverifiedMs = this.options.clock.monotonic() - (this.unverified?.since ?? -Infinity)
    if (this.at !== null && subscribed && unverifiedMs < UNVERIFIED_REPORTED_MS) return null
    const { partition } = this.options
    if (this.unreadable !== null) return `partition ${partition}: ${this.unreadable}`
    return `partition ${partition}: ${subscribed ? 'reading the log' : 'not subscribed'}`
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

  /** Stops everything; no listener is called. */
  close(): void {
    this.unverify('unsubscribed')
    for (const reader of [...this.readers]) reader.stop()
    // Whoever still asks how far the log reaches back asks no more.
    this.at = null
  }

  /** Takes in a batch of the live channel. */
  batch(batch: SealedBatch): void {
    const now = this.options.clock.monotonic()
    const other = this.at !== null && batch.epoch !== this.at.epoch
    if (!other) this.staleness.messageReceived(now)
    else if (!this.otherEpochs.received(batch.epoch, now)) return
    // A state proves nothing here: it may be that of an older ingest, which follows a newer one.
    this.readableAgain()
    if (!other && (this.lastSeen?.epoch !== batch.epoch || this.lastSeen.last < batch.last))
      this.lastSeen = { epoch: batch.epoch, last: batch.last }
    if (!this.live || this.at === null) return
    const action = classify(this.at, batch)
    if (action === 'deliver') this.deliver(this.at, batch)
    else if (action === 'recover') this.recover(other)
  }

  /** Takes in a state of the partition's own channel. False: its epoch is not the one in force, so it says nothing here. */
  ownState({ epoch }: StateMessage): boolean {
    if (epoch === null || this.at === null) return true
    const now = this.options.clock.monotonic()
    if (epoch === this.at.epoch) this.staleness.messageReceived(now)
    else this.otherEpochs.received(epoch, now)
    return epoch === this.at.epoch
  }

  /** Takes in a state of any channel: its head shows whether batches are missing here. */
  headsReported({ epoch, heads }: StateMessage): void {
    const head = heads[this.options.partition]
    if (head === undefined || epoch === null || !this.live || this.at === null) return
    const now = this.options.clock.monotonic()
    if (epoch !== this.at.epoch) {
      this.otherEpochs.received(epoch, now)
      return
    }
    this.staleness.headReported(head > this.at.offset, now)
    this.standstill.heads(head, heads, now)
  }

  /** Takes in a message that could not be read: what it held is only in the log, if anywhere. */
  unreadableMessage(why: string): void {
    this.unreadable = why
    if (this.live) this.recover()
  }

  /** Reads the log in place of the subscription, which receives nothing for now. */
  poll(): void {
    if (this.live) this.recover(true)
  }

  /** To be called a few times a second. `awaited`: a session waits for the partition to be live. */
  tick(awaited: boolean): void {
    const now = this.options.clock.monotonic()
    const overdue = this.unverified !== null && now - this.unverified.since >= this.options.lostGraceMs
    if (overdue && (this.at !== null || awaited)) this.lose('continuity could not be proven in time')
    if (this.standstill.due(this.options.lostGraceMs, now)) {
      this.lose('it stands still while others move')
      if (this.state !== 'unsubscribed') this.recover()
    }
    if (!this.live) return
    const suspicion = this.staleness.suspicionDue(now)
    if (suspicion !== null || this.otherEpochs.checkDue(now)) this.recover(suspicion !== 'head')
  }

  /** Ends all sessions of the partition; leaves the cursor alone. */
  notifyLost(why: string): void {
    this.options.listener.lost(this.options.partition, why)
    for (const reader of [...this.readers]) reader.lose('continuity', why)
  }

  /** Reads the log for one session; returns a way to stop. */
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

  /** Resolves with whether the log holds everything above a position. */
  reach(position: Position): Promise<Reach> {
    const { sharedLog, clock, partition } = this.options
    return askReach({
      position,
      cursor: () => this.at,
      page: () => sharedLog.page(partition, position),
      clock,
    })
  }

  private readableAgain(): void {
    if (this.unreadable === null) return
    this.unreadable = null
    const { logger, partition } = this.options
    if (this.at === null) logger.info({ partition }, 'batches can be read again')
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

  /** Moves the cursor first: a session that asks for it while it is served sees where this batch leads. */
  private advance(events: readonly BusEvent[], reached: Offset): void {
    if (this.at === null) return
    this.at = { epoch: this.at.epoch, offset: reached }
    this.staleness.forgetHead()
    if (events.length === 0) return
    this.options.listener.events(this.options.partition, events)
  }

  private unverify(state: 'unsubscribed' | Recovery): void {
    const wasLive = this.live
    this.state = state
    this.unverified ??= { since: this.options.clock.monotonic(), first: false }
    if (wasLive) this.options.listener.changed()
  }

  /** Begins a recovery, in the place of one that is under way. */
  private recover(isCheck = false): void {
    const beganAt = this.options.clock.monotonic()
    const recovery = { beganAt, from: this.at?.offset ?? null, isCheck, foundEvents: false }
    this.unverify(recovery)
    this.staleness.forgetHead()
    this.readOn(recovery)
  }

  private readOn(recovery: Recovery): void {
    if (this.state !== recovery) return
    whenRead(
      this.options.log.page(this.options.partition, this.at?.offset ?? null),
      (page) => this.take(recovery, page),
      () => this.readLater(recovery),
    )
  }

  private readLater(recovery: Recovery): void {
    this.options.clock.after(READ_RETRY_MS, () => this.readOn(recovery))
  }

  private take(recovery: Recovery, page: Page): void {
    if (this.state !== recovery) return
    this.at ??= this.headOf(page)
    if (this.at === null) {
      this.readLater(recovery)
      return
    }
    const lastSeen = this.lastSeen?.epoch === this.at.epoch ? this.lastSeen.last : 0
    const reading = readPage(this.at, page, { lastSeen, ceiling: Infinity })
    if (reading.kind === 'lost') {
      if (reading.unreadable === true) {
        this.options.metrics.unreadable()
        this.unreadable ??= reading.why
      }
      this.lose(reading.why)
      this.readOn(recovery)
    } else if (reading.kind === 'wait') this.readLater(recovery)
    else {
      if (reading.batches.length > 0) recovery.foundEvents = true
      this.deliverRead(reading.batches, reading.reached)
      // The listener may have ended this recovery meanwhile.
      if (!this.isRunning(recovery)) return
      if (reading.complete) this.goLive(recovery)
      else this.readOn(recovery)
    }
  }

  /** The position that a first page gives: the head, as far as it can be read, but none amid a replay of older events. */
  private headOf({ meta, unreadable }: Page): Position | null {
    if (unreadable !== undefined) this.unreadable = unreadable
    if (meta === null || this.unreadable !== null) return null
    return { epoch: meta.epoch, offset: Math.max(meta.head, meta.replayEnd ?? 0) }
  }

  private deliverRead(batches: readonly (readonly BusEvent[])[], reached: Offset): void {
    for (const batch of batches) this.advance(batch, batch[batch.length - 1]?.offset ?? 0)
    this.advance([], reached)
  }

  private isRunning(recovery: Recovery): boolean {
    return this.state === recovery
  }

  private goLive({ from, beganAt, foundEvents, isCheck }: Recovery): void {
    const now = this.options.clock.monotonic()
    const stale = this.staleness.recovered(from, this.at?.offset ?? 0, foundEvents)
    this.otherEpochs.markForeign(beganAt, now)
    const nothingRecovered = this.unverified?.first === true || (isCheck && !foundEvents)
    if (!nothingRecovered) this.options.metrics.recovery('recovered')
    this.unreadable = null // the log holds it in a form that is known, or not at all
    this.state = 'live'
    this.unverified = null
    this.staleness.restart(now)
    this.options.listener.changed()
    if (stale) this.options.listener.stale()
  }

  /** Forgets the numbering: the next position is the head as it will be read. */
  private lose(why: string): void {
    // `session/loss-log` writes the line, with the number of sessions, for all partitions at once.
    this.options.logger.debug({ partition: this.options.partition, why }, 'partition lost')
    this.options.metrics.recovery('lost')
    this.at = null
    this.lastSeen = null
    this.otherEpochs.clear()
    this.standstill = new Standstill()
    this.unverified = { since: this.options.clock.monotonic(), first: true }
    this.notifyLost(why)
  }
}
