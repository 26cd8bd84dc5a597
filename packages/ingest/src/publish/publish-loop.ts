/** Carries out what the sequencers decide, for one attachment. */
import type { ConsumeMessage } from 'amqplib'
import type { Offset } from '@wazo-websocketd/shared/domain/position'
import type { Clock, Timer } from '@wazo-websocketd/shared/runtime/clock'
import type { Attachment } from '../attach/attach.js'
import { readCanary, type Canary } from '../broker/canary.js'
import type { Continuity } from './continuity.js'
import { EVERY_PARTITION, type Delivery } from '../normalise/delivery.js'
import { toDelivery, type DeliveryOptions } from '../normalise/intake.js'
import type { Accounting } from '../status/accounting.js'
import type { IngestMetrics } from '../metrics.js'
import { Numbering, type Jumps } from '../normalise/numbering.js'
import type { Publisher } from './publisher.js'
import type { StreamHistory } from '../attach/history.js'
import { Sequencer, type AttachReason, type PublishCall, type SequencerOptions } from './sequencer.js'
import { sleep } from '@wazo-websocketd/shared/runtime/sleep'
import type { Status } from '../status/status.js'
import { Window, type WindowLimits } from './window.js'

export interface PublishLoopOptions {
  readonly sequencer: SequencerOptions
  readonly window: WindowLimits
  readonly delivery: DeliveryOptions
  /** Between two tries of a call that Redis did not answer. */
  readonly retryMs: number
  /** Own canaries go out, and nothing comes in, for so long: the consumer has gone deaf. */
  readonly watchdogMs: number
  /** Nothing comes in for so long, while ticks do: the stream has changed its leader, and lost what came meanwhile. */
  readonly stallMs: number
  /** Between two looks at what waits for messages. */
  readonly checkMs: number
  /** A message whose offset is in doubt waits so long for a canary. */
  readonly doubtMs: number
  /** Credit is given back for so many deliveries together: each acknowledgement is a packet to the broker. */
  readonly ackEvery: number
}

export interface PublishLoopParts {
  readonly publisher: Publisher
  readonly history: StreamHistory
  readonly canary: Pick<Canary, 'blocked' | 'sending' | 'send' | 'marker'>
  readonly continuity: Continuity
  readonly jumps: Jumps
  readonly clock: Clock
  readonly accounting: Accounting
  readonly metrics: IngestMetrics
  readonly status: Status
  changed(): void
}

export class PublishLoop {
  private readonly options: PublishLoopOptions
  private readonly parts: PublishLoopParts
  private readonly attachment: Attachment
  private readonly window: Window
  private readonly numbering: Numbering
  private readonly sequencers: readonly Sequencer[]
  /** Wakes what pauses, by partition. */
  private readonly wakes: (() => void)[]
  private over = false
  private isLeading: boolean | null = null
  private reason: AttachReason | null = null
  private checkTimer: Timer | null = null
  private lastMessageAt: number
  /** What the last look saw, and how many in a row have seen ticks and nothing else. */
  private seen = { lastMessageAt: -1, ticks: 0, stalled: 0 }
  /** When a message was last held for a canary. */
  private askedAt = 0
  /** The last delivery, and how many there are up to it for which no credit has been given back. */
  private lastTag = 0
  private unacked = 0

  constructor(options: PublishLoopOptions, parts: PublishLoopParts, attachment: Attachment) {
    const { clock } = parts
    const { epoch, heads, at } = attachment
    this.options = options
    this.parts = parts
    this.attachment = attachment
    this.window = new Window(options.window, at.offset)
    const now = (this.lastMessageAt = clock.monotonic())
    this.sequencers = heads.map(
      (head, partition) => new Sequencer(options.sequencer, { partition, epoch, head }, this.window, now),
    )
    this.wakes = heads.map(() => () => undefined)
    this.numbering = new Numbering(at.offset, {
      jumps: parts.jumps,
      deliver: (message, offset) => this.deliver(message, offset),
      ask: () => {
        this.askedAt = clock.monotonic()
        parts.canary.send()
      },
    })
  }

  /** Publishes or follows until the ingest has to attach again (says why) or `signal` is aborted (null). */
  async run(signal: AbortSignal): Promise<AttachReason | null> {
    const { canary, continuity, status, metrics, jumps } = this.parts
    const { consumer, marker, epoch, at } = this.attachment
    continuity.attached(at.offset, status.epoch === epoch)
    status.attached(epoch, this.heads())
    this.parts.changed()
    const stop = (): void => this.finish(null)
    signal.addEventListener('abort', stop)
    if (signal.aborted) stop()
    try {
      marker.whenGone(() => this.finish('unmarked'))
      consumer.inbox.flow(
        (message) => this.receive(message),
        () => this.finish('ended'),
      )
      canary.marker = marker.queue
      this.check()
      await Promise.all(this.sequencers.map((sequencer) => this.drivePartition(sequencer)))
    } finally {
      this.finish(null)
      this.checkTimer?.cancel()
      canary.marker = null
      signal.removeEventListener('abort', stop)
      if (this.numbering.jump !== null) jumps.add(this.numbering.jump)
      status.detached()
      metrics.publishing(false)
      await Promise.all([consumer.close(), marker.close()])
    }
    return this.reason
  }

  private finish(why: AttachReason | null): void {
    if (this.over) return
    this.over = true
    this.reason = why
    for (const wake of this.wakes) wake()
  }

  private receive(message: ConsumeMessage): void {
    if (this.over) return
    this.lastMessageAt = this.parts.clock.monotonic()
    this.lastTag = message.fields.deliveryTag
    this.unacked++
    this.numbering.take(message, readCanary(message) !== null)
    if (this.numbering.jump !== null) this.finish('gap')
    this.giveCredit()
  }

  private deliver(message: ConsumeMessage, offset: Offset): void {
    const { continuity, clock } = this.parts
    const canary = readCanary(message)
    continuity.passed(offset)
    if (canary?.ingest === this.options.delivery.ingest && !continuity.heard(canary)) this.finish('hole')
    const delivery = toDelivery(message, offset, canary, this.options.delivery, clock)
    this.window.push(delivery)
    if (!delivery.urgent) return
    if (delivery.target === EVERY_PARTITION) for (const wake of this.wakes) wake()
    else this.wakes[delivery.target]?.()
  }

  /** What nobody tells of: a consumer that has gone deaf, a message that waits for a canary in vain. */
  private check(): void {
    const { canary, clock, status } = this.parts
    const now = clock.monotonic()
    // The broker takes no canaries: that nothing waits and Redis answers is all that can be shown.
    if (canary.blocked && this.sequencers.every((sequencer) => sequencer.isIdle(now))) status.proven(now)
    if (!canary.sending || this.window.fill >= 1) this.lastMessageAt = now
    else if (now - this.lastMessageAt >= this.options.watchdogMs) this.finish('silent')
    else if (this.isStalled()) this.finish('hole')
    if (this.numbering.holds && now - this.askedAt >= this.options.doubtMs) {
      this.numbering.settle()
      if (this.numbering.jump !== null) this.finish('gap')
    }
    if (!this.over) this.checkTimer = clock.after(this.options.checkMs, () => this.check())
  }

  /**
   * The stream stands still, and neither broker nor this process does: ticks come. So it is when the stream changes its
   * leader, which loses what publishers without confirms send meanwhile (docs/adr/0011).
   */
  private isStalled(): boolean {
    const { ticks } = this.attachment.marker
    const { seen, lastMessageAt } = this
    // Looks are counted, not ticks: after a pause of the broker or of this process these come all at once.
    if (seen.lastMessageAt !== lastMessageAt) seen.stalled = 0
    else if (ticks > seen.ticks) seen.stalled++
    Object.assign(seen, { lastMessageAt, ticks })
    return seen.stalled * this.options.checkMs >= this.options.stallMs
  }

  private async drivePartition(sequencer: Sequencer): Promise<void> {
    const { clock } = this.parts
    for (;;) {
      await nextTick() // what arrives in one tick travels as one batch
      if (this.over) return
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
    const started = clock.monotonic()
    const answer = await publisher.publish(call, history.trimTo(started))
    const now = clock.monotonic()
    accounting.answered(call, answer, (now - started) / 1000)
    sequencer.answered(call, answer, now)
    this.release()
    if (call.last === this.floor(now))
      history.advance({ offset: call.last, fingerprint: call.fingerprint }, now)
    if (answer.kind === 'lost') await sleep(clock, this.options.retryMs)
  }

  private async poll(sequencer: Sequencer): Promise<void> {
    const { publisher, history, clock, status } = this.parts
    try {
      const meta = await publisher.meta(sequencer.partition)
      const now = clock.monotonic()
      sequencer.polled(meta, now)
      this.giveCredit(1)
      this.release()
      if (meta !== null && meta.epoch === status.epoch && meta.offset === this.floor(now))
        history.advance(meta, now)
    } catch (error) {
      sequencer.failed(clock.monotonic())
      status.waits('redis', error instanceof Error ? error.message : String(error))
      await sleep(clock, this.options.retryMs)
    }
    this.parts.changed()
  }

  /**
   * On a stream an acknowledgement is nothing but flow control: what gets lost here is read again from head. So more is
   * on its way while Redis is waited for, as long as the window has room.
   */
  private giveCredit(every = this.options.ackEvery): void {
    if (this.over || this.unacked < every || this.window.fill >= 1) return
    this.attachment.consumer.ack(this.lastTag)
    this.unacked = 0
  }

  /** Deliveries that are done with: accounted for, their room in the window given to others. */
  private release(): void {
    const { accounting, history, status, clock, metrics } = this.parts
    const now = clock.monotonic()
    const floor = this.floor(now)
    const released = this.window.release(({ offset, target }: Delivery) => {
      if (target === EVERY_PARTITION) return offset <= floor
      const sequencer = this.sequencers[target]
      return offset <= (sequencer?.isAbsent(now) === false ? (sequencer.head ?? floor) : floor)
    })
    status.heads = this.heads()
    const leads = this.sequencers.some((sequencer) => sequencer.leads)
    if (leads !== this.isLeading) metrics.publishing((this.isLeading = leads))
    if (released.length > 0) {
      history.count(released)
      this.giveCredit()
      accounting.released(released)
    }
    this.parts.changed()
  }

  /** Up to where all partitions have come; those for which Redis does not answer do not keep the others back. */
  private floor(now: number): Offset {
    let floor = Infinity
    let lowest = Infinity
    for (const sequencer of this.sequencers) {
      if (sequencer.head === null) continue
      lowest = Math.min(lowest, sequencer.head)
      if (!sequencer.isAbsent(now)) floor = Math.min(floor, sequencer.head)
    }
    if (floor < Infinity) return floor
    return lowest < Infinity ? lowest : -1
  }

  private heads(): Offset[] {
    return this.sequencers.map(({ head }) => head ?? 0)
  }

  /** Until a delivery for the partition, the end, or `until`. */
  private pause(partition: number, until: number): Promise<void> {
    const { clock } = this.parts
    return new Promise((resolve) => {
      const wake = (): void => {
        this.wakes[partition] = () => undefined
        timer.cancel()
        resolve()
      }
      const timer = clock.after(Math.max(0, until - clock.monotonic()), wake)
      this.wakes[partition] = wake
    })
  }
}

function nextTick(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
