/** Finds the place in the stream from which to go on, or begins a new epoch. */
import { randomUUID } from 'node:crypto'
import type { ChannelModel } from 'amqplib'
import type { Logger } from 'pino'
import type { Epoch, Offset } from '@wazo-websocketd/shared/domain/position'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import { readCanary, type Canary } from '../broker/canary.js'
import { Consumer } from '../broker/consumer.js'
import { fingerprint } from '../normalise/delivery.js'
import type { EpochMarkers, MarkerWatch } from '../broker/epoch-marker.js'
import { claimedOffset } from '../normalise/numbering.js'
import { Planner, type Memory, type Meta, type NewEpochReason, type Plan, type PlanOptions } from './plan.js'
import type { Publisher } from '../publish/publisher.js'
import type { StreamMark } from './history.js'
import { DeadlineError, sleep, within } from '@wazo-websocketd/shared/runtime/sleep'
import type { Status } from '../status/status.js'

/** A consumer whose next message is the first one above `at`. */
export interface Attachment {
  readonly epoch: Epoch
  /** Where each partition stands; null: Redis has not told. */
  readonly heads: readonly (Offset | null)[]
  /** The verified place at which the consumer began: the lowest head. */
  readonly at: StreamMark
  readonly consumer: Consumer
  readonly marker: MarkerWatch
}

/** What an ingest brings along from before. */
export interface PreviousAttachment {
  readonly memory: Memory | null
  /** An epoch in which the stream has lost messages: a new one has to begin. */
  readonly broken: Epoch | null
  /**
   * The epoch in which it was attached at a node that it has left: only another ingest that is attached can have seen
   * whether the stream lost its leader with that node.
   */
  readonly left: Epoch | null
}

export interface AttachOptions extends PlanOptions {
  readonly ingest: string
  readonly prefetch: number
  /** How long the message at head may take to come before the end of the stream is looked at. */
  readonly silenceMs: number
  /** How long one's own canary may take. */
  readonly canaryMs: number
  /** Between two looks at a Redis that others may know more about. */
  readonly redisPollMs: number
  /** How long broker and Redis may take for one try. */
  readonly tryMs: number
  /** An ingest that is attached moves the heads within this time. */
  readonly movesMs: number
}

export interface AttachParts {
  readonly publisher: Publisher
  readonly markers: EpochMarkers
  readonly canary: Pick<Canary, 'send'>
  readonly status: Status
  readonly clock: Clock
  readonly log: Logger
}

/** With several hosts of the broker another one may do better. */
const TRIES_MAX = 3

type Metas = readonly (Meta | null | undefined)[]

export class Attacher {
  private readonly options: AttachOptions
  private readonly parts: AttachParts
  private readonly planner: Planner

  constructor(options: AttachOptions, parts: AttachParts) {
    this.options = options
    this.parts = parts
    this.planner = new Planner(options)
  }

  /**
   * Resolves once attached. Rejects when the broker or Redis does not answer (DeadlineError: something may still be
   * under way on the connection), or `signal` is aborted (the connection is gone, or the program ends).
   */
  async attach(
    connection: ChannelModel,
    past: () => PreviousAttachment,
    signal: AbortSignal,
  ): Promise<Attachment> {
    const { publisher, clock } = this.parts
    const refusing = new Set<number>()
    const { broken, left } = past()
    const unseen = left !== null && !(await this.isWatched(signal)) ? left : null
    for (let tries = 0; tries < TRIES_MAX;) {
      signal.throwIfAborted()
      const metas = (await publisher.metas()).map((meta, p) => (refusing.has(p) ? undefined : meta))
      const { memory } = past()
      const plan = this.planner.plan(metas, memory, clock.monotonic())
      this.setPassive(plan.kind === 'wait' && plan.why === 'foreign', metas)
      if (plan.kind === 'wait') {
        if (plan.why === 'not-all')
          this.parts.status.waits(
            'redis',
            'Redis does not answer for partition 0, which tells the epoch in force',
          )
        await sleep(clock, this.options.redisPollMs, signal)
        continue
      }
      const isBroken = plan.kind !== 'new-epoch' && (plan.epoch === broken || plan.epoch === unseen)
      const work = this.carryOut(
        connection,
        metas,
        isBroken ? { kind: 'new-epoch', why: 'hole' } : plan,
        refusing,
      )
      const attached = await within(clock, this.options.tryMs, 'attaching to the stream', work)
      if (attached === null) {
        if (plan.kind !== 'adopt') tries++
        continue
      }
      void this.parts.markers.settle(connection, attached.epoch)
      return attached
    }
    throw new DeadlineError(`nothing comes out of the stream that ${TRIES_MAX} tries could attach to`)
  }

  /** Whether an ingest is attached: it moves the head. */
  private async isWatched(signal: AbortSignal): Promise<boolean> {
    const { publisher, clock } = this.parts
    const [before] = await publisher.metas()
    await sleep(clock, this.options.movesMs, signal)
    const [after] = await publisher.metas()
    return before?.epoch === after?.epoch && (after?.offset ?? -1) > (before?.offset ?? Infinity)
  }

  /** Carries out one plan; null: look again. */
  private async carryOut(
    connection: ChannelModel,
    metas: Metas,
    plan: Plan,
    refusing: Set<number>,
  ): Promise<Attachment | null> {
    switch (plan.kind) {
      case 'attach':
        return this.resume(connection, metas, plan, [], refusing)
      case 'seed':
        return this.resume(connection, metas, plan, plan.partitions, refusing)
      case 'adopt':
        for (const p of plan.partitions)
          await this.unless(refusing, p, () =>
            this.parts.publisher.newEpoch(p, metas[p]?.epoch ?? null, plan.epoch, plan.at),
          )
        return null
      case 'new-epoch':
        return this.begin(connection, metas, plan.why)
      case 'wait':
        return null
    }
  }

  /** Writes a partition, which is left out from now on where Redis does not take it. True: taken. */
  private async unless(refusing: Set<number>, p: number, write: () => Promise<boolean>): Promise<boolean> {
    try {
      return await write()
    } catch (error) {
      if (this.options.partitions === 1) throw error
      refusing.add(p)
      this.parts.status.waits(
        'redis',
        `partition ${p}: ${error instanceof Error ? error.message : String(error)}`,
      )
      return false
    }
  }

  /** Another numbering is in force, or no more; tells of the change. */
  private setPassive(is: boolean, metas: Metas): void {
    const { log, status } = this.parts
    if (is === status.passive) return
    status.passive = is
    if (!is) {
      log.info('no other stream, partition count or form is in force any more')
      return
    }
    const { stream, partitions } = this.options
    const other = metas.find((meta) => meta && this.planner.isForeign(meta))
    const inForce = { stream: other?.stream, partitions: other?.partitions, form: other?.form }
    log.warn(
      { stream, partitions, inForce },
      'another ingest publishes under this redis.prefix with another stream, redis.partitions or form: passive until it stops',
    )
  }

  /** Attaches at `at` and seeds `missing` there; null: look again. */
  private async resume(
    connection: ChannelModel,
    metas: Metas,
    { epoch, at }: { readonly epoch: Epoch; readonly at: StreamMark },
    missing: readonly number[],
    refusing: Set<number>,
  ): Promise<Attachment | null> {
    const { clock, markers, publisher, log } = this.parts
    const { stream, prefetch } = this.options
    const marker = await markers.watch(connection, epoch)
    if (marker === null) return this.begin(connection, metas, 'marker-gone')
    const consumer = await Consumer.start(connection, { stream, prefetch, from: at.offset }, clock).catch(
      async (error: unknown) => {
        await marker.close()
        throw error
      },
    )
    const leave = async (): Promise<null> => {
      await Promise.all([consumer.close(), marker.close()])
      return null
    }
    try {
      const verdict = await this.verify(connection, consumer, at)
      if (verdict === 'again') return await leave()
      if (verdict !== 'good') {
        await leave()
        return await this.begin(connection, metas, verdict)
      }
      // Somebody else may be faster: then it is to be attached to what is there now.
      for (const p of missing)
        if (!(await this.unless(refusing, p, () => publisher.seed(p, epoch, at)))) return await leave()
      if (missing.length > 0)
        log.warn({ epoch, offset: at.offset }, 'Redis was empty: publishing the history again')
      const heads = metas.map((meta) => (meta === null ? at.offset : (meta?.offset ?? null)))
      return { epoch, heads, at, consumer, marker }
    } catch (error) {
      await leave()
      throw error
    }
  }

  /** Whether the consumer begins with the very message at `at`. RabbitMQ says nothing when it cannot. */
  private async verify(
    connection: ChannelModel,
    consumer: Consumer,
    at: StreamMark,
  ): Promise<'good' | 'again' | NewEpochReason> {
    const { inbox } = consumer
    const first = await inbox.next(this.options.silenceMs)
    if (first === null) return this.checkEnd(connection, at)
    const claim = claimedOffset(first)
    if (fingerprint(first.content) !== at.fingerprint)
      return claim !== null && claim > at.offset ? 'trimmed' : 'recreated'
    if (claim !== at.offset) {
      // Its publisher may have sent the header, or it is the same once more at a later place: what follows tells.
      const second = await inbox.next(this.options.silenceMs)
      if (second === null) return this.again(`the broker gives nothing behind offset ${at.offset}`)
      inbox.putBack(second)
      if ((claimedOffset(second) ?? Infinity) > at.offset + 2) return 'trimmed'
    }
    consumer.ack(first.fields.deliveryTag)
    return 'good'
  }

  /** Silence at head: a recreated stream ends below it. Otherwise the broker is only slow. */
  private async checkEnd(connection: ChannelModel, at: StreamMark): Promise<'again' | 'recreated'> {
    const { clock } = this.parts
    const { stream, prefetch } = this.options
    const last = await Consumer.start(connection, { stream, prefetch, from: 'last' }, clock)
    try {
      const end = await this.ownCanary(last)
      if (end === null) return this.again('no message of our own comes through the stream: has it a leader?')
      if (end.offset < at.offset) return 'recreated'
      return this.again(
        `the broker does not give the message at offset ${at.offset}, though it has later ones`,
      )
    } finally {
      await last.close()
    }
  }

  private again(why: string): 'again' {
    this.parts.status.waits('broker', why)
    return 'again'
  }

  /** Starts a new epoch at this ingest's own canary; null: somebody else was faster, or no canary came. */
  private async begin(
    connection: ChannelModel,
    metas: Metas,
    why: NewEpochReason,
  ): Promise<Attachment | null> {
    const { publisher, markers, clock, log, status } = this.parts
    const { stream, prefetch } = this.options
    const [first] = metas
    if (first === undefined) {
      status.waits('redis', `a new epoch is needed (${why}), but Redis does not answer for partition 0`)
      await sleep(clock, this.options.redisPollMs)
      return null
    }
    const consumer = await Consumer.start(connection, { stream, prefetch, from: 'next' }, clock)
    let marker: MarkerWatch | null = null
    try {
      const at = await this.ownCanary(consumer)
      const epoch = randomUUID() as Epoch
      if (at === null)
        status.waits(
          'broker',
          `a new epoch is needed (${why}), but no message of our own comes through the stream`,
        )
      else {
        await markers.settle(connection, first?.epoch ?? null) // tries before this one may have failed at Redis
        await markers.declare(connection, epoch)
        marker = await markers.watch(connection, epoch)
        const seen = first?.epoch ?? null
        if (marker !== null && (await publisher.newEpoch(0, seen, epoch, at))) {
          log.warn({ why, epoch, seen, offset: at.offset }, 'new epoch')
          if (seen !== null) await markers.remove(connection, seen)
          return { epoch, heads: await this.bring(metas, epoch, at), at, consumer, marker }
        }
        await markers.remove(connection, epoch)
      }
      await Promise.all([consumer.close(), marker?.close()])
      return null
    } catch (error) {
      await Promise.all([consumer.close(), marker?.close()])
      throw error
    }
  }

  /** Brings all partitions into a new epoch; null where another ingest has, or Redis does not answer: to be looked at again. */
  private async bring(metas: Metas, epoch: Epoch, at: StreamMark): Promise<(Offset | null)[]> {
    const { publisher } = this.parts
    const heads: (Offset | null)[] = [at.offset]
    for (const [p, meta] of metas.entries()) {
      if (p === 0) continue
      const isIn =
        meta !== undefined && (await publisher.newEpoch(p, meta?.epoch ?? null, epoch, at).catch(() => false))
      heads.push(isIn ? at.offset : null)
    }
    return heads
  }

  /** The place of the first own canary that is sent from now on; null: none comes in time. */
  private async ownCanary(consumer: Consumer): Promise<StreamMark | null> {
    const { canary, clock } = this.parts
    const since = clock.monotonic()
    const until = since + this.options.canaryMs
    canary.send()
    for (let left = this.options.canaryMs; left > 0; left = until - clock.monotonic()) {
      const message = await consumer.inbox.next(left)
      if (message === null) return null
      consumer.ack(message.fields.deliveryTag)
      const offset = claimedOffset(message)
      const read = readCanary(message)
      if (offset !== null && read?.ingest === this.options.ingest && read.sentAt >= since)
        return { offset, fingerprint: fingerprint(message.content) }
    }
    return null
  }
}
