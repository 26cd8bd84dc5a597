import { randomUUID } from 'node:crypto'
import type { ChannelModel } from 'amqplib'
import type { Logger } from 'pino'
import type { Epoch, Offset } from '@wazo-websocketd/shared/domain/position'
import { Backoff } from '@wazo-websocketd/shared/runtime/backoff'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import { DeadlineError, sleep, within } from '@wazo-websocketd/shared/runtime/sleep'
import { messageOf } from '@wazo-websocketd/shared/runtime/startup-error'
import type { CanarySender } from '../broker/canary.js'
import { Consumer } from '../broker/consumer.js'
import type { EpochMarkers, MarkerWatch } from '../broker/epoch-marker.js'
import type { Publisher } from '../publish/publisher.js'
import type { Status } from '../status/status.js'
import type { Timings } from '../timings.js'
import type { StreamMark } from './history.js'
import { Planner, type Memory, type Meta, type NewEpochReason, type Plan, type PlanOptions } from './plan.js'
import { StreamCheck, type StreamCheckOptions } from './stream-check.js'

/** A consumer whose next message is the first one above `at`. */
export interface Attachment {
  readonly epoch: Epoch
  /** Head of each partition; null: Redis has not answered. */
  readonly heads: readonly (Offset | null)[]
  /** Partitions that did not come into the epoch are left out for so long before the ingest attaches again, milliseconds. */
  readonly rejoinMs: number
  /** The verified place at which the consumer began: the lowest head. */
  readonly at: StreamMark
  readonly consumer: Consumer
  readonly marker: MarkerWatch
}

/** Knowledge of an ingest from the time before it attaches. */
export interface PreviousAttachment {
  readonly memory: Memory | null
  /** An epoch in which the stream has lost messages: a new one has to begin. */
  readonly brokenEpoch: Epoch | null
  /**
   * The epoch in which the ingest was attached at a node that it has left: only another ingest that is attached can have seen
   * whether the stream lost its leader with that node.
   */
  readonly leftHostEpoch: Epoch | null
}

type Attached = Omit<Attachment, 'rejoinMs'>

export type AttachOptions = PlanOptions &
  StreamCheckOptions &
  Pick<Timings, 'redisPollMs' | 'attemptTimeoutMs' | 'headWatchMs' | 'rejoinFirstMs' | 'rejoinMaxMs'>

export interface AttachParts {
  readonly publisher: Publisher
  readonly markers: EpochMarkers
  readonly canary: Pick<CanarySender, 'sendBeat'>
  readonly status: Status
  readonly clock: Clock
  readonly log: Logger
}

/** After so many failed attempts another host of the broker may do better. */
const ATTEMPTS_MAX = 3

/** State of one attempt to attach. */
interface Attempt {
  readonly connection: ChannelModel
  readonly metas: readonly (Meta | null | undefined)[]
  readonly memory: Memory | null
  /** Partitions that are left out because Redis did not take what was written there. */
  readonly refused: Set<number>
}

/** Finds the place in the stream from which to go on, or begins a new epoch. */
export class Attacher {
  private readonly options: AttachOptions
  private readonly parts: AttachParts
  private readonly planner: Planner
  private readonly streamCheck: StreamCheck
  private readonly rejoinBackoff: Backoff

  constructor(options: AttachOptions, parts: AttachParts) {
    this.options = options
    this.parts = parts
    this.planner = new Planner(options)
    this.streamCheck = new StreamCheck(options, parts)
    this.rejoinBackoff = new Backoff({ firstMs: options.rejoinFirstMs, maxMs: options.rejoinMaxMs })
  }

  /**
   * Resolves once attached. Rejects when the broker or Redis does not answer (DeadlineError: something may still be
   * under way on the connection), or `signal` is aborted (the connection is gone, or the program ends).
   */
  async attach(
    connection: ChannelModel,
    previous: () => PreviousAttachment,
    signal: AbortSignal,
  ): Promise<Attachment> {
    const { publisher, markers, status, clock } = this.parts
    const refused = new Set<number>()
    const { brokenEpoch, leftHostEpoch } = previous()
    const unwatchedEpoch =
      leftHostEpoch !== null && !(await this.isAnyAttached(signal)) ? leftHostEpoch : null
    for (let attempts = 0; attempts < ATTEMPTS_MAX;) {
      signal.throwIfAborted()
      const metas = (await publisher.metas()).map((meta, p) => (refused.has(p) ? undefined : meta))
      const { memory } = previous()
      const plan = this.planner.plan(metas, memory, clock.monotonic())
      this.setPassive(plan.kind === 'wait' && plan.why === 'foreign', metas)
      if (plan.kind === 'wait') {
        if (plan.why === 'not-all')
          status.failed('redis', 'Redis does not answer for partition 0, which tells the epoch in force')
        await sleep(clock, this.options.redisPollMs, signal)
        continue
      }
      const isBroken =
        plan.kind !== 'new-epoch' && (plan.epoch === brokenEpoch || plan.epoch === unwatchedEpoch)
      const attempt = { connection, metas, memory, refused }
      const work = this.execute(isBroken ? { kind: 'new-epoch', why: 'hole' } : plan, attempt)
      const attached = await within(clock, this.options.attemptTimeoutMs, 'attaching to the stream', work)
      if (attached === null) {
        if (plan.kind !== 'adopt') attempts++
        continue
      }
      void markers.removeOthers(connection, attached.epoch)
      if (!attached.heads.includes(null)) this.rejoinBackoff.reset()
      return { ...attached, rejoinMs: this.rejoinBackoff.next() }
    }
    throw new DeadlineError(`nothing comes out of the stream that ${ATTEMPTS_MAX} tries could attach to`)
  }

  /**
   * An epoch's continuity is disproved: its marker goes, so that other ingests hear of it at once, and one that attaches later and
   * does not remember begins a new epoch, too.
   */
  disprove(connection: ChannelModel, epoch: Epoch): void {
    void this.parts.markers.remove(connection, epoch)
  }

  /** Whether any ingest is attached, which moves the heads. Asks again for as long as Redis does not answer twice for any partition. */
  private async isAnyAttached(signal: AbortSignal): Promise<boolean> {
    const { publisher, clock } = this.parts
    for (;;) {
      signal.throwIfAborted()
      const before = await publisher.metas()
      await sleep(clock, this.options.headWatchMs, signal)
      const after = await publisher.metas()
      const answered = [...before.keys()].filter((p) => before[p] !== undefined && after[p] !== undefined)
      const moved = answered.some((p) => {
        const [from, to] = [before[p], after[p]]
        return from?.epoch === to?.epoch && (to?.offset ?? -1) > (from?.offset ?? Infinity)
      })
      if (answered.length > 0) return moved
    }
  }

  /** Carries out one plan; null: Redis has to be asked again. */
  private async execute(plan: Plan, attempt: Attempt): Promise<Attached | null> {
    switch (plan.kind) {
      case 'attach':
        return this.attachAt(plan, [], attempt)
      case 'seed':
        return this.attachAt(plan, plan.partitions, attempt)
      case 'adopt':
        for (const p of plan.partitions)
          await this.tryWrite(attempt, p, () =>
            this.parts.publisher.newEpoch(p, attempt.metas[p]?.epoch ?? null, plan.epoch, plan.at),
          )
        return null
      case 'new-epoch':
        return this.startEpoch(plan.why, attempt)
      case 'wait':
        return null
    }
  }

  /** Writes a partition, and leaves it out from now on where Redis does not take that. True: taken. */
  private async tryWrite({ refused }: Attempt, p: number, write: () => Promise<boolean>): Promise<boolean> {
    try {
      return await write()
    } catch (error) {
      if (this.options.partitions === 1) throw error
      refused.add(p)
      this.parts.status.failed('redis', `partition ${p}: ${messageOf(error)}`)
      return false
    }
  }

  /** Sets whether another numbering is in force, and logs changes. */
  private setPassive(is: boolean, metas: Attempt['metas']): void {
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

  /** Attaches at `at` and seeds the partitions `missing` there; null: Redis has to be asked again. */
  private async attachAt(
    { epoch, at }: { readonly epoch: Epoch; readonly at: StreamMark },
    missing: readonly number[],
    attempt: Attempt,
  ): Promise<Attached | null> {
    const { clock, markers, publisher, log } = this.parts
    const { stream, prefetch } = this.options
    const { connection, metas, memory } = attempt
    const replayEnd = memory?.epoch === epoch ? memory.end : at.offset
    const marker = await markers.watch(connection, epoch)
    if (marker === null) return this.startEpoch('marker-gone', attempt)
    let consumer: Consumer | null = null
    try {
      consumer = await Consumer.start(connection, { stream, prefetch, from: at.offset }, clock)
      const verdict = await this.streamCheck.verify(connection, consumer, at)
      if (verdict !== 'ok') {
        await closeAll(consumer, marker)
        return verdict === 'retry' ? null : await this.startEpoch(verdict, attempt)
      }
      // Another ingest may be faster: then this one has to attach to what is there now.
      for (const p of missing)
        if (!(await this.tryWrite(attempt, p, () => publisher.seed(p, epoch, at, replayEnd))))
          return await closeAll(consumer, marker)
      for (const [p, meta] of metas.entries())
        if (meta && meta.offset < replayEnd)
          await this.tryWrite(attempt, p, () => publisher.seed(p, epoch, at, replayEnd))
      if (missing.length > 0)
        log.warn({ epoch, offset: at.offset }, 'Redis was empty: publishing the history again')
      const heads = metas.map((meta) => (meta === null ? at.offset : (meta?.offset ?? null)))
      return { epoch, heads, at, consumer, marker }
    } catch (error) {
      await closeAll(consumer, marker)
      throw error
    }
  }

  /** Starts a new epoch at this ingest's own canary; null: another ingest was faster, or no canary came. */
  private async startEpoch(why: NewEpochReason, { connection, metas }: Attempt): Promise<Attached | null> {
    const { publisher, markers, clock, log, status } = this.parts
    const { stream, prefetch } = this.options
    const [first] = metas
    if (first === undefined) {
      status.failed('redis', `a new epoch is needed (${why}), but Redis does not answer for partition 0`)
      await sleep(clock, this.options.redisPollMs)
      return null
    }
    const consumer = await Consumer.start(connection, { stream, prefetch, from: 'next' }, clock)
    let marker: MarkerWatch | null = null
    try {
      const at = await this.streamCheck.ownCanary(consumer)
      if (at === null) {
        const fault = 'no message of our own comes through the stream'
        status.failed('broker', `a new epoch is needed (${why}), but ${fault}`)
        return await closeAll(consumer)
      }
      const epoch = randomUUID() as Epoch
      const seen = first?.epoch ?? null
      await markers.removeOthers(connection, seen) // earlier attempts may have failed at Redis
      await markers.declare(connection, epoch)
      marker = await markers.watch(connection, epoch)
      if (marker === null || !(await publisher.newEpoch(0, seen, epoch, at))) {
        await markers.remove(connection, epoch)
        return await closeAll(consumer, marker)
      }
      log.warn({ why, epoch, seen, offset: at.offset }, 'new epoch')
      status.epochBegan(epoch, why)
      if (seen !== null) await markers.remove(connection, seen)
      return { epoch, heads: await this.adoptPartitions(metas, epoch, at), at, consumer, marker }
    } catch (error) {
      await closeAll(consumer, marker)
      throw error
    }
  }

  /** Brings all partitions into a new epoch; null where another ingest has, or Redis does not answer. */
  private async adoptPartitions(
    metas: Attempt['metas'],
    epoch: Epoch,
    at: StreamMark,
  ): Promise<(Offset | null)[]> {
    const { publisher } = this.parts
    const heads: (Offset | null)[] = [at.offset]
    for (const [p, meta] of metas.entries()) {
      if (p === 0) continue
      const isAdopted =
        meta !== undefined && (await publisher.newEpoch(p, meta?.epoch ?? null, epoch, at).catch(() => false))
      heads.push(isAdopted ? at.offset : null)
    }
    return heads
  }
}

/** Closes what an attempt has opened. */
async function closeAll(...opened: readonly (Consumer | MarkerWatch | null)[]): Promise<null> {
  await Promise.all(opened.map(async (one) => one?.close()))
  return null
}
