import type { ConsumeMessage } from 'amqplib'
import type { Offset } from '@wazo-websocketd/shared/domain/position'
import type { Clock, Timer } from '@wazo-websocketd/shared/runtime/clock'
import { sleep } from '@wazo-websocketd/shared/runtime/sleep'
import { messageOf } from '@wazo-websocketd/shared/runtime/startup-error'
import type { Attachment } from '../attach/attach.js'
import type { StreamHistory } from '../attach/history.js'
import { readCanary, type CanaryMessage, type CanarySender } from '../broker/canary.js'
import type { IngestMetrics } from '../metrics.js'
import { EVERY_PARTITION, toDelivery, type Delivery, type DeliveryOptions } from '../normalise/delivery.js'
import { Numbering, type KnownGaps } from '../normalise/numbering.js'
import type { Accounting } from '../status/accounting.js'
import type { Status } from '../status/status.js'
import type { Timings } from '../timings.js'
import type { Continuity } from './continuity.js'
import type { Publisher } from './publisher.js'
import { Sequencer, type AttachReason, type PublishCall, type SequencerOptions } from './sequencer.js'
import { DeliveryWindow, type WindowLimits } from './window.js'

export interface PublishLoopOptions {
  readonly timings: SequencerOptions &
    Pick<Timings, 'retryMs' | 'watchdogMs' | 'streamStallMs' | 'canaryIntervalMs' | 'beatMs'>
  readonly window: WindowLimits
  readonly delivery: DeliveryOptions
  /** Credit is given back for so many deliveries together: each acknowledgement is a packet to the broker. */
  readonly ackEvery: number
}

export interface PublishLoopParts {
  readonly publisher: Publisher
  readonly history: StreamHistory
  readonly canary: Pick<CanarySender, 'blocked' | 'sending' | 'sendBeat' | 'tickQueue'>
  readonly continuity: Continuity
  readonly knownGaps: KnownGaps
  readonly clock: Clock
  readonly accounting: Accounting
  readonly metrics: IngestMetrics
  readonly status: Status
  /** Called when the status may have changed. */
  onChange(): void
}

/** Part of the credit that is given back together: the rest suffices meanwhile. */
const ACK_SHARE = 0.25
/** RabbitMQ ends a consumer that keeps a delivery for half an hour, and canaries come ten times a second. */
const ACK_EVERY_MAX = 256
/** So many checks in a row without a tick: the broker or this process pauses. */
const PAUSED_CHECKS = 2
/** Canaries sent between two checks. */
const CHECK_CANARIES = 2

/** The number of deliveries for which credit is given back together. */
export function ackEvery(prefetch: number): number {
  return Math.min(Math.ceil(prefetch * ACK_SHARE), ACK_EVERY_MAX)
}

/** Carries out what the sequencers decide, for one attachment. */
export class PublishLoop {
  private readonly options: PublishLoopOptions
  private readonly parts: PublishLoopParts
  private readonly attachment: Attachment
  private readonly window: DeliveryWindow
  private readonly numbering: Numbering
  private readonly sequencers: readonly Sequencer[]
  /** By partition: resumes its loop when that pauses. */
  private readonly wakers: (() => void)[]
  private finished = false
  private isLeading: boolean | null = null
  private reason: AttachReason | null = null
  private readonly checkMs: number
  private checkTimer: Timer | null = null
  private lastMessageAt: number
  /** State at the last check, the number of checks that have seen ticks and nothing else, and of those in a row that saw no tick. */
  private lastCheck = { lastMessageAt: -1, ticks: 0, stalled: 0, paused: 0 }
  /** Monotonic milliseconds at which a message was last held for a canary. */
  private canaryRequestedAt = 0
  /** The last delivery, and the number of those up to it for which no credit has been given back. */
  private lastTag = 0
  private unacked = 0

  constructor(options: PublishLoopOptions, parts: PublishLoopParts, attachment: Attachment) {
    const { clock } = parts
    const { epoch, heads, at, rejoinMs } = attachment
    this.options = options
    this.parts = parts
    this.attachment = attachment
    this.checkMs = options.timings.canaryIntervalMs * CHECK_CANARIES
    this.window = new DeliveryWindow(options.window, at.offset)
    const now = (this.lastMessageAt = clock.monotonic())
    this.sequencers = heads.map(
      (head, partition) =>
        new Sequencer(options.timings, { partition, epoch, head, rejoinMs }, this.window, now),
    )
    this.wakers = heads.map(() => () => undefined)
    this.numbering = new Numbering(at.offset, {
      knownGaps: parts.knownGaps,
      deliver: (message, offset, canary) => this.deliver(message, offset, canary),
      requestCanary: () => {
        this.canaryRequestedAt = clock.monotonic()
        parts.canary.sendBeat()
      },
    })
  }

  /** Publishes or follows. Resolves with the reason to attach again, or null when `signal` is aborted. */
  async run(signal: AbortSignal): Promise<AttachReason | null> {
    const { canary, continuity, status, metrics, knownGaps } = this.parts
    const { consumer, marker, epoch, at } = this.attachment
    continuity.attached(at.offset, status.epoch === epoch)
    status.attached(epoch, this.heads())
    this.parts.onChange()
    const stop = (): void => this.finish(null)
    signal.addEventListener('abort', stop)
    if (signal.aborted) stop()
    try {
      marker.onGone(() => this.finish('unmarked'))
      consumer.inbox.flow(
        (message) => this.receive(message),
        () => this.finish('ended'),
      )
      canary.tickQueue = marker.queue
      this.check()
      await Promise.all(this.sequencers.map((sequencer) => this.drivePartition(sequencer)))
    } finally {
      this.finish(null)
      this.checkTimer?.cancel()
      canary.tickQueue = null
      signal.removeEventListener('abort', stop)
      if (this.numbering.gap !== null) knownGaps.add(this.numbering.gap)
      status.detached()
      metrics.publishing(false)
      await Promise.all([consumer.close(), marker.close()])
    }
    return this.reason
  }

  private finish(why: AttachReason | null): void {
    if (this.finished) return
    this.finished = true
    this.reason = why
    for (const wake of this.wakers) wake()
  }

  private receive(message: ConsumeMessage): void {
    if (this.finished) return
    this.lastMessageAt = this.parts.clock.monotonic()
    this.lastTag = message.fields.deliveryTag
    this.unacked++
    this.numbering.take(message, readCanary(message))
    if (this.numbering.gap !== null) this.finish('gap')
    // A follower reads what others have long published as fast as it comes, not from one poll to the next.
    if (this.unacked % this.options.ackEvery === 0) this.release()
    this.giveCredit()
  }

  private deliver(message: ConsumeMessage, offset: Offset, canary: CanaryMessage | null): void {
    const { continuity, clock } = this.parts
    continuity.readUpTo(offset)
    if (canary?.ingest === this.options.delivery.ingest && !continuity.accept(canary)) this.finish('hole')
    const delivery = toDelivery(message, offset, canary, this.options.delivery, clock)
    this.window.push(delivery)
    if (!delivery.urgent) return
    if (delivery.target === EVERY_PARTITION) for (const wake of this.wakers) wake()
    else this.wakers[delivery.target]?.()
  }

  /** Checks what no event shows: a consumer that delivers nothing, a message that waits for a canary in vain. */
  private check(): void {
    const { canary, clock, status } = this.parts
    const { watchdogMs, beatMs } = this.options.timings
    const now = clock.monotonic()
    // While the broker takes no canaries, an idle ingest and a Redis that answers are all that can be shown.
    const reachable = this.sequencers.filter((sequencer) => !sequencer.isUnreachable(now))
    if (canary.blocked && reachable.length > 0 && reachable.every((sequencer) => sequencer.isIdle(now)))
      status.caughtUp(now)
    if (!canary.sending || this.window.fill >= 1) this.lastMessageAt = now
    else if (now - this.lastMessageAt >= watchdogMs) this.finish('silent')
    else if (this.isStalled()) this.finish('hole')
    if (this.numbering.isHolding && now - this.canaryRequestedAt >= beatMs) {
      this.numbering.numberHeld()
      if (this.numbering.gap !== null) this.finish('gap')
    }
    if (!this.finished) this.checkTimer = clock.after(this.checkMs, () => this.check())
  }

  /**
   * Whether the stream stands still while ticks show that neither broker nor this process does. The stream then changes its
   * leader, and loses what publishers without confirms send meanwhile (docs/adr/0011).
   */
  private isStalled(): boolean {
    const { ticks } = this.attachment.marker
    const { lastCheck, lastMessageAt } = this
    // Checks are counted, not ticks: after a pause of the broker or of this process these come all at once.
    if (lastCheck.lastMessageAt !== lastMessageAt) lastCheck.stalled = 0
    else if (ticks > lastCheck.ticks) lastCheck.stalled++
    // What had stood still before a pause of everything does not add up with what follows it.
    const paused = ticks > lastCheck.ticks ? 0 : lastCheck.paused + 1
    if (paused >= PAUSED_CHECKS) lastCheck.stalled = 0
    Object.assign(lastCheck, { lastMessageAt, ticks, paused })
    return lastCheck.stalled * this.checkMs >= this.options.timings.streamStallMs
  }

  private async drivePartition(sequencer: Sequencer): Promise<void> {
    const { clock } = this.parts
    for (;;) {
      await nextTick() // what arrives in one tick travels as one batch
      if (this.finished) return
      const step = sequencer.step(clock.monotonic())
      switch (step.kind) {
        case 'attach':
          this.finish(step.why)
          return
        case 'wait':
          await this.pause(sequencer.partition, step.until)
          break
        case 'poll':
          await this.poll(sequencer)
          break
        case 'publish':
          await this.publish(sequencer, step.call)
      }
    }
  }

  private async publish(sequencer: Sequencer, call: PublishCall): Promise<void> {
    const { publisher, history, clock, accounting } = this.parts
    const startedAt = clock.monotonic()
    const answer = await publisher.publish(call, history.trimTo(startedAt))
    const now = clock.monotonic()
    accounting.answered(call, answer, (now - startedAt) / 1000)
    sequencer.answered(call, answer, now)
    this.release()
    if (call.last === this.lowestHead(now))
      history.advance({ offset: call.last, fingerprint: call.fingerprint }, now)
    if (answer.kind === 'lost') await sleep(clock, this.options.timings.retryMs)
  }

  private async poll(sequencer: Sequencer): Promise<void> {
    const { publisher, history, clock, status } = this.parts
    try {
      const meta = await publisher.meta(sequencer.partition)
      const now = clock.monotonic()
      sequencer.polled(meta, now)
      this.giveCredit(1)
      this.release()
      if (meta !== null && meta.epoch === status.epoch) {
        history.see(sequencer.partition)
        if (meta.offset === this.lowestHead(now)) history.advance(meta, now)
      }
    } catch (error) {
      sequencer.failed(clock.monotonic())
      status.failed('redis', messageOf(error))
      await sleep(clock, this.options.timings.retryMs)
    }
    this.parts.onChange()
  }

  /**
   * Acknowledges deliveries while the window has room, so that more are on their way while Redis is waited for. On a stream an
   * acknowledgement is nothing but flow control: what gets lost here is read again from head.
   */
  private giveCredit(every = this.options.ackEvery): void {
    if (this.finished || this.unacked < every || this.window.fill >= 1) return
    this.attachment.consumer.ack(this.lastTag)
    this.unacked = 0
  }

  /** Accounts for deliveries that are done with, and gives their room in the window to others. */
  private release(): void {
    const { accounting, history, status, clock, metrics } = this.parts
    const now = clock.monotonic()
    const lowest = this.lowestHead(now)
    // What waits for a partition that does not answer must not keep the others from being read.
    const skipsUnreachable = this.window.fill >= 1 && this.sequencers.some((each) => !each.isUnreachable(now))
    const released = this.window.release(({ offset, target }: Delivery) => {
      if (target === EVERY_PARTITION) return offset <= lowest
      const sequencer = this.sequencers[target]
      if (sequencer?.isUnreachable(now) === false) return offset <= (sequencer.head ?? lowest)
      return skipsUnreachable || offset <= lowest
    })
    status.heads = this.heads()
    const leads = this.sequencers.some((sequencer) => sequencer.leads)
    if (leads !== this.isLeading) metrics.publishing((this.isLeading = leads))
    if (released.length > 0) {
      history.count(released)
      this.giveCredit()
      accounting.released(released)
    }
    this.parts.onChange()
  }

  /** The lowest head of the partitions for which Redis answers; where it answers for none, the lowest that is known. */
  private lowestHead(now: number): Offset {
    let reachable = Infinity
    let known = Infinity
    for (const sequencer of this.sequencers) {
      if (sequencer.head === null) continue
      known = Math.min(known, sequencer.head)
      if (!sequencer.isUnreachable(now)) reachable = Math.min(reachable, sequencer.head)
    }
    if (reachable < Infinity) return reachable
    return known < Infinity ? known : -1
  }

  private heads(): Offset[] {
    return this.sequencers.map(({ head }) => head ?? 0)
  }

  /** Waits for a delivery for the partition, the end, or `until`. */
  private pause(partition: number, until: number): Promise<void> {
    const { clock } = this.parts
    return new Promise((resolve) => {
      const wake = (): void => {
        this.wakers[partition] = () => undefined
        timer.cancel()
        resolve()
      }
      const timer = clock.after(Math.max(0, until - clock.monotonic()), wake)
      this.wakers[partition] = wake
    })
  }
}

function nextTick(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
