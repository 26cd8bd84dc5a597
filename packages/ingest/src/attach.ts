/** Finds the place in the stream from which to go on, or begins a new epoch (architecture, sections 1 and 2). */
import { randomUUID } from 'node:crypto'
import type { ChannelModel, ConsumeMessage } from 'amqplib'
import type { Logger } from 'pino'
import type { Epoch, Offset } from '@wazo-websocketd/shared/domain/identity'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import { readCanary } from './canary.js'
import type { Canary } from './canary.js'
import { Consumer, offsetOf } from './consumer.js'
import { fingerprint } from './delivery.js'
import type { Markers } from './marker.js'
import { Planner } from './plan.js'
import type { Memory, Meta, NewEpochReason, PlanOptions } from './plan.js'
import type { Publisher } from './publisher.js'
import type { Mark } from './ring.js'

/** A consumer whose next message is the first one above the lowest of `heads`. */
export interface Attachment {
  readonly epoch: Epoch
  readonly heads: readonly Offset[]
  /** The verified place at which the consumer began. */
  readonly at: Mark
  readonly consumer: Consumer
}

export interface AttachOptions extends PlanOptions {
  readonly ingest: string
  readonly prefetch: number
  /** How long the message at head may take to come before the end of the stream is looked at. */
  readonly silenceMs: number
  /** How long one's own canary may take. */
  readonly canaryMs: number
  /** Between two looks at a Redis that others may know more about. */
  readonly lookMs: number
}

export interface AttachParts {
  readonly publisher: Publisher
  readonly markers: Markers
  readonly canary: Canary
  readonly clock: Clock
  readonly log: Logger
  /** Called as long as another numbering is in force (true), and when that ends. */
  passive(is: boolean): void
}

type Verdict = 'good' | 'again' | NewEpochReason

export class Attacher {
  private readonly options: AttachOptions
  private readonly parts: AttachParts
  private readonly planner: Planner
  private isPassive = false

  constructor(options: AttachOptions, parts: AttachParts) {
    this.options = options
    this.parts = parts
    this.planner = new Planner(options)
  }

  /**
   * Resolves once attached. Rejects when the broker or Redis does not answer, or `signal` is aborted (the
   * connection is gone, or the program ends).
   */
  async attach(
    connection: ChannelModel,
    memory: () => Memory | null,
    signal: AbortSignal,
  ): Promise<Attachment> {
    for (;;) {
      signal.throwIfAborted()
      const metas = await this.parts.publisher.metas()
      const plan = this.planner.plan(metas, memory(), this.parts.clock.monotonic())
      this.setPassive(plan.kind === 'wait' && plan.why === 'foreign', metas)
      let attached: Attachment | null = null
      if (plan.kind === 'wait') await sleep(this.parts.clock, this.options.lookMs)
      else if (plan.kind === 'attach')
        attached = await this.resume(connection, metas, plan.epoch, plan.at, plan.heads, [])
      else if (plan.kind === 'seed') {
        const heads = metas.map((meta) => meta?.offset ?? plan.at.offset)
        attached = await this.resume(connection, metas, plan.epoch, plan.at, heads, plan.partitions)
      } else if (plan.kind === 'adopt') {
        for (const p of plan.partitions)
          await this.parts.publisher.newEpoch(p, metas[p]?.epoch ?? null, plan.epoch, plan.at)
      } else attached = await this.begin(connection, metas, plan.why)
      if (attached === null) continue
      await this.parts.markers.settle(connection, attached.epoch)
      return attached
    }
  }

  /** Another numbering is in force, or no more; tells of the change. */
  private setPassive(is: boolean, metas: readonly (Meta | null)[]): void {
    const { log } = this.parts
    this.parts.passive(is)
    if (is === this.isPassive) return
    this.isPassive = is
    if (!is) {
      log.info('no other stream, partition count or form is in force any more')
      return
    }
    const { stream, partitions } = this.options
    const other = metas.find((meta) => meta !== null && this.planner.isForeign(meta))
    const inForce = { stream: other?.stream, partitions: other?.partitions, form: other?.form }
    log.warn(
      { stream, partitions, inForce },
      'another ingest publishes under this redis.prefix with another stream, redis.partitions or form: passive until it stops',
    )
  }

  /** Attaches at `at` and seeds `missing` there; null: look again. */
  private async resume(
    connection: ChannelModel,
    metas: readonly (Meta | null)[],
    epoch: Epoch,
    at: Mark,
    heads: readonly Offset[],
    missing: readonly number[],
  ): Promise<Attachment | null> {
    if (!(await this.parts.markers.exists(connection, epoch)))
      return this.begin(connection, metas, 'marker-gone')
    const { clock } = this.parts
    const { stream, prefetch } = this.options
    const consumer = await Consumer.start(connection, { stream, prefetch, from: at.offset }, clock)
    try {
      const verdict = await this.verify(connection, consumer, at)
      if (verdict === 'good') {
        for (const p of missing) {
          if (await this.parts.publisher.seed(p, epoch, at)) continue
          await consumer.close() // somebody else was faster: attach to what is there now
          return null
        }
        if (missing.length > 0)
          this.parts.log.warn({ epoch, offset: at.offset }, 'Redis was empty: publishing the history again')
        return { epoch, heads, at, consumer }
      }
      await consumer.close()
      return verdict === 'again' ? null : await this.begin(connection, metas, verdict)
    } catch (error) {
      await consumer.close()
      throw error
    }
  }

  /** Whether the consumer begins with the very message at `at`. RabbitMQ says nothing when it cannot. */
  private async verify(connection: ChannelModel, consumer: Consumer, at: Mark): Promise<Verdict> {
    const first = await consumer.inbox.next(this.options.silenceMs)
    if (first === null) return this.lookAtEnd(connection, at)
    const offset = offsetOf(first)
    if (offset !== at.offset) return offset > at.offset ? 'trimmed' : 'recreated'
    if (fingerprint(first.content) !== at.fingerprint) return 'recreated'
    consumer.ack(first.fields.deliveryTag)
    return 'good'
  }

  /** Silence at head: a recreated stream ends below it. Otherwise the broker is only slow. */
  private async lookAtEnd(connection: ChannelModel, at: Mark): Promise<Verdict> {
    const { clock } = this.parts
    const { stream, prefetch, silenceMs } = this.options
    const last = await Consumer.start(connection, { stream, prefetch, from: 'last' }, clock)
    try {
      let highest = -1
      let message = await last.inbox.next(silenceMs)
      const until = clock.monotonic() + silenceMs
      while (message !== null && clock.monotonic() < until) {
        highest = offsetOf(message)
        if (highest >= at.offset) return 'again'
        last.ack(message.fields.deliveryTag)
        message = await last.inbox.next(QUIET_MS)
      }
      return highest === -1 ? 'again' : 'recreated'
    } finally {
      await last.close()
    }
  }

  /** Starts a new epoch at this ingest's own canary; null: somebody else was faster, or no canary came. */
  private async begin(
    connection: ChannelModel,
    metas: readonly (Meta | null)[],
    why: NewEpochReason,
  ): Promise<Attachment | null> {
    const { publisher, markers, clock, log } = this.parts
    const { stream, prefetch } = this.options
    const consumer = await Consumer.start(connection, { stream, prefetch, from: 'next' }, clock)
    try {
      const at = await this.ownCanary(consumer)
      if (at === null) {
        log.warn({ why }, 'a new epoch is needed, but no message of our own comes through the stream')
        await consumer.close()
        return null
      }
      const epoch = randomUUID() as Epoch
      await markers.declare(connection, epoch)
      const seen = metas[0]?.epoch ?? null
      if (!(await publisher.newEpoch(0, seen, epoch, at))) {
        await markers.remove(connection, epoch)
        await consumer.close()
        return null
      }
      log.warn({ why, epoch, seen, offset: at.offset }, 'new epoch')
      if (seen !== null) await markers.remove(connection, seen)
      for (let p = 1; p < metas.length; p++)
        if (!(await publisher.newEpoch(p, metas[p]?.epoch ?? null, epoch, at))) {
          await consumer.close() // another ingest has already brought this partition over
          return null
        }
      return { epoch, heads: metas.map(() => at.offset), at, consumer }
    } catch (error) {
      await consumer.close()
      throw error
    }
  }

  private async ownCanary(consumer: Consumer): Promise<Mark | null> {
    const { canary, clock } = this.parts
    const until = clock.monotonic() + this.options.canaryMs
    canary.send()
    for (let left = this.options.canaryMs; left > 0; left = until - clock.monotonic()) {
      const message: ConsumeMessage | null = await consumer.inbox.next(left)
      if (message === null) return null
      consumer.ack(message.fields.deliveryTag)
      if (readCanary(message)?.ingest === this.options.ingest)
        return { offset: offsetOf(message), fingerprint: fingerprint(message.content) }
    }
    return null
  }
}

/** Silence after which the last chunk of the stream has been read to its end. */
const QUIET_MS = 300

function sleep(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => clock.after(ms, resolve))
}
