/** Carries out what the chain decides, from attachment to attachment. */
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import type { Attachment } from './attach.js'
import type { Canary } from './canary.js'
import { Chain } from './chain.js'
import type { AttachReason, ChainOptions, Jump, PublishCall } from './chain.js'
import type { Delivery } from './delivery.js'
import { receive } from './intake.js'
import type { IntakeOptions } from './intake.js'
import type { Ledger } from './ledger.js'
import type { IngestMetrics } from './metrics.js'
import type { Publisher } from './publisher.js'
import type { Ring } from './ring.js'
import type { Situation } from './state.js'

export interface PipelineOptions {
  readonly chain: ChainOptions
  readonly intake: IntakeOptions
  /** Between two tries of a call that Redis did not answer. */
  readonly retryMs: number
  /** Own canaries go out, and nothing comes in, for so long: the consumer has gone deaf. */
  readonly watchdogMs: number
  /** Credit is given back for so many deliveries together: each acknowledgement is a packet to the broker. */
  readonly ackEvery: number
}

export interface PipelineParts {
  readonly publisher: Publisher
  readonly ring: Ring
  readonly canary: Pick<Canary, 'unheardSince' | 'heard'>
  readonly clock: Clock
  readonly ledger: Ledger
  readonly metrics: IngestMetrics
  readonly situation: Situation
  changed(): void
}

const JUMPS_REMEMBERED_MAX = 1000

export class Pipeline {
  private readonly options: PipelineOptions
  private readonly parts: PipelineParts
  /** Jumps of the stream's numbering that attaching again has been tried for. */
  private readonly jumps = new Set<string>()
  private wake: () => void = () => undefined
  /** The last delivery, and how many there are up to it for which no credit has been given back. */
  private lastTag = 0
  private unacked = 0

  constructor(options: PipelineOptions, parts: PipelineParts) {
    this.options = options
    this.parts = parts
  }

  /** Publishes or follows until it has to attach again (says why) or `signal` is aborted (null). */
  async run(attachment: Attachment, signal: AbortSignal): Promise<AttachReason | null> {
    const { clock, situation } = this.parts
    const { epoch, heads, consumer } = attachment
    const chain = new Chain(this.options.chain, epoch, heads, clock.monotonic())
    this.unacked = 0
    // What came through before says nothing about this place, which may be an older one.
    Object.assign(situation, { attached: true, epoch, heads, canarySentAt: null })
    this.parts.canary.heard() // attaching has read from the stream
    this.parts.changed()
    const stop = (): void => this.wake()
    const known = (jump: Jump): boolean => this.jumps.has(nameOf(jump))
    signal.addEventListener('abort', stop)
    consumer.inbox.flow(
      (message) => {
        this.parts.canary.heard()
        const delivery = receive(message, this.options.intake, clock)
        chain.deliver(delivery, known)
        this.lastTag = delivery.deliveryTag
        this.unacked++
        this.giveCredit(chain, consumer)
        this.wake()
      },
      () => {
        chain.ended()
        this.wake()
      },
    )
    try {
      return await this.drive(chain, attachment, signal)
    } finally {
      this.remember(chain.jump)
      signal.removeEventListener('abort', stop)
      situation.attached = false
      this.parts.metrics.publishing(false)
      await consumer.close()
    }
  }

  private remember(jump: Jump | null): void {
    if (jump === null) return
    this.jumps.add(nameOf(jump))
    const [oldest] = this.jumps
    if (this.jumps.size > JUMPS_REMEMBERED_MAX && oldest !== undefined) this.jumps.delete(oldest)
  }

  private async drive(
    chain: Chain,
    { consumer }: Attachment,
    signal: AbortSignal,
  ): Promise<AttachReason | null> {
    const { clock, metrics, canary } = this.parts
    let leads: boolean | null = null
    for (;;) {
      await nextTick() // what arrives in one tick travels as one batch
      if (signal.aborted) return null
      const step = chain.step(clock.monotonic())
      switch (step.kind) {
        case 'attach':
          return step.why
        case 'wait': {
          const watchdogAt = (canary.unheardSince ?? clock.monotonic()) + this.options.watchdogMs
          if (step.idle && clock.monotonic() >= watchdogAt) return 'silent'
          await this.pause(step.idle ? Math.min(step.until, watchdogAt) : step.until)
          break
        }
        case 'poll':
          // Asking with an empty window says nothing of the consumer, which has all its credit.
          if (chain.waiting > 0) canary.heard()
          else this.giveCredit(chain, consumer, 1)
          this.release(chain, consumer, await this.poll(chain))
          break
        case 'publish':
          this.release(chain, consumer, await this.publish(chain, step.calls))
          canary.heard() // while Redis was waited for, the consumer may have had no credit
      }
      if (leads === chain.leads) continue
      leads = chain.leads
      metrics.publishing(leads)
    }
  }

  private async publish(chain: Chain, calls: readonly PublishCall[]): Promise<Delivery[]> {
    const { publisher, ring, clock, ledger } = this.parts
    const started = clock.monotonic()
    const trimTo = ring.trimTo(started)
    const answers = await Promise.all(calls.map((call) => publisher.publish(call, trimTo)))
    ledger.answered(calls, answers, (clock.monotonic() - started) / 1000)
    this.parts.changed()
    const released = chain.answered(calls, answers, clock.monotonic())
    ring.count(released)
    const [call] = calls
    const head = Math.min(...chain.heads)
    if (call?.last === head) ring.advance({ offset: head, fingerprint: call.fingerprint }, clock.monotonic())
    if (answers.some(({ kind }) => kind === 'lost')) await this.sleep(this.options.retryMs)
    return released
  }

  private async poll(chain: Chain): Promise<Delivery[]> {
    const { publisher, ring, clock } = this.parts
    try {
      const metas = await publisher.metas()
      const now = clock.monotonic()
      const released = chain.polled(
        metas.map((meta) => (meta === null ? null : { epoch: meta.epoch, head: meta.offset })),
        now,
      )
      ring.count(released)
      const present = metas.filter((meta) => meta !== null)
      const lowest =
        present.length < metas.length ? null : present.reduce((a, b) => (b.offset < a.offset ? b : a))
      if (lowest !== null && lowest.epoch === this.parts.situation.epoch) ring.advance(lowest, now)
      return released
    } catch {
      await this.sleep(this.options.retryMs)
      return []
    }
  }

  /**
   * On a stream an acknowledgement is nothing but flow control: what gets lost here is read again from head. So more is
   * on its way while Redis is waited for, as long as the window has room.
   */
  private giveCredit(chain: Chain, consumer: Attachment['consumer'], every = this.options.ackEvery): void {
    if (this.unacked < every || !chain.hasRoom) return
    consumer.ack(this.lastTag)
    this.unacked = 0
  }

  /** Deliveries that are done with: accounted for, their room in the window given to others. */
  private release(chain: Chain, consumer: Attachment['consumer'], released: readonly Delivery[]): void {
    this.parts.situation.heads = chain.heads
    if (released.length === 0) return
    this.giveCredit(chain, consumer)
    this.parts.ledger.released(released)
    this.parts.changed()
  }

  /** Until a delivery, the end of the consumer, or `until`. */
  private pause(until: number): Promise<void> {
    const { clock } = this.parts
    return new Promise((resolve) => {
      const timer = clock.after(Math.max(0, until - clock.monotonic()), () => this.wake())
      this.wake = () => {
        this.wake = () => undefined
        timer.cancel()
        resolve()
      }
    })
  }

  private sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.parts.clock.after(ms, resolve))
  }
}

function nameOf({ from, to }: Jump): string {
  return `${from}-${to}`
}

function nextTick(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
