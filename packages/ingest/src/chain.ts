/**
 * Who publishes what and when: the whole life of an attached ingest as decisions without I/O
 * (architecture, sections 1 and 2). The driver carries out one step at a time and reports the answers.
 */
import type { Epoch, Offset } from '@wazo-websocketd/shared/domain/identity'
import { Batcher } from './batcher.js'
import type { BatchLimits } from './batcher.js'
import { EVERY_PARTITION } from './delivery.js'
import type { Delivery } from './delivery.js'

/** What the script answered, or what became of the call. */
export type Answer =
  | { readonly kind: 'OK' | 'DUP' | 'PART' | 'ROLLED'; readonly head: Offset }
  | { readonly kind: 'EMPTY' }
  | { readonly kind: 'EPOCH'; readonly epoch: Epoch }
  /** No answer came: the call may have been carried out or not. */
  | { readonly kind: 'lost' }
  /** Redis refused the call for a reason that the script does not know. */
  | { readonly kind: 'failed'; readonly why: string }

/** One compare-and-set: the deliveries of one partition in the range `prev < offset <= last`. */
export interface PublishCall {
  readonly partition: number
  readonly epoch: Epoch
  readonly prev: Offset
  readonly last: Offset
  readonly fingerprint: string
  readonly deliveries: readonly Delivery[]
  /** An answer to it got lost before. */
  readonly retried: boolean
}

export type AttachReason = 'gap' | 'rolled' | 'empty' | 'epoch' | 'failed' | 'ended' | 'silent'

export type Step =
  | { readonly kind: 'publish'; readonly calls: readonly PublishCall[] }
  /** Ask Redis for the heads. */
  | { readonly kind: 'poll' }
  /** Nothing to do before a delivery comes or monotonic `until` is reached. `idle`: everything delivered is in the log. */
  | { readonly kind: 'wait'; readonly until: number; readonly idle: boolean }
  | { readonly kind: 'attach'; readonly why: AttachReason }

/** What Redis holds of a partition when asked; null: no meta. */
export type Polled = { readonly epoch: Epoch; readonly head: Offset } | null

export interface ChainOptions extends BatchLimits {
  /** How often a follower asks for the heads. */
  readonly headPollMs: number
  /** How often it does when its window is half full, so that it keeps up with the one that publishes. */
  readonly crowdedPollMs: number
  /** How long nothing may be heard of Redis when there is nothing to publish: it may have lost its data. */
  readonly idlePollMs: number
  /** A follower publishes by itself when its oldest delivery has waited that long. */
  readonly takeoverMs: number
  /** With so many deliveries that are not yet known to be in the log, or so many bytes of bodies, no more are wanted. */
  readonly windowMax: number
  readonly windowBytesMax: number
}

/** From one offset of the stream to the next one delivered. */
export interface Jump {
  readonly from: Offset
  readonly to: Offset
}

interface Partition {
  head: Offset
  /** The last batch went in; a follower's was already there. */
  leads: boolean
}

/** A larger step from one offset to the next has to be proven by attaching again (a segment roll skips one). */
const OFFSET_STEP_MAX = 2

export class Chain {
  private readonly options: ChainOptions
  private readonly window: Batcher
  private epoch: Epoch
  private partitions: Partition[]
  private read: Offset
  private polledAt: number
  /** When Redis last said anything. */
  private heardAt: number
  private retry: readonly PublishCall[] | null = null
  private reason: AttachReason | null = null
  private gap: Jump | null = null

  /** Attached at the lowest of `heads`, whose message has been verified; the next delivery follows it. */
  constructor(options: ChainOptions, epoch: Epoch, heads: readonly Offset[], now: number) {
    this.options = options
    this.window = new Batcher(options)
    this.epoch = epoch
    this.partitions = heads.map((head) => ({ head, leads: true }))
    this.read = Math.min(...heads)
    this.polledAt = this.heardAt = now
  }

  get heads(): readonly Offset[] {
    return this.partitions.map(({ head }) => head)
  }

  /** At least one partition's batches go out from here. */
  get leads(): boolean {
    return this.partitions.some(({ leads }) => leads)
  }

  /** Deliveries that are not yet known to be in the log. */
  get waiting(): number {
    return this.window.length
  }

  /** Whether more deliveries are wanted: the window is not full, and what comes is taken. */
  get hasRoom(): boolean {
    return this.fill < 1 && this.gap === null && this.reason === null
  }

  /** A jump in the numbering that makes this chain attach again. */
  get jump(): Jump | null {
    return this.gap
  }

  /**
   * Takes the next delivery of the stream. False: it was not taken, because its offset does not follow; the
   * chain finishes what it has and then wants to attach again. `known` tells the jumps for which that has
   * been done before: whoever attached at a verified offset below and met the same jump again has shown
   * that it is part of the stream.
   */
  deliver(delivery: Delivery, known: (jump: Jump) => boolean = () => false): boolean {
    if (this.gap !== null || this.reason !== null) return false
    const step = delivery.offset - this.read
    if (step <= 0 || step > OFFSET_STEP_MAX) {
      const jump = { from: this.read, to: delivery.offset }
      if (step <= 0 || !known(jump)) {
        this.gap = jump
        return false
      }
    }
    this.read = delivery.offset
    this.window.push(delivery)
    return true
  }

  /** The next thing to do, when nothing is under way. */
  step(now: number): Step {
    if (this.reason !== null) return { kind: 'attach', why: this.reason }
    if (this.retry !== null) return { kind: 'publish', calls: this.retry }
    if (this.window.length === 0) {
      if (this.gap !== null) return { kind: 'attach', why: 'gap' }
      const until = this.heardAt + this.options.idlePollMs
      return now >= until ? { kind: 'poll' } : { kind: 'wait', until, idle: true }
    }
    const calls = this.calls(now)
    if (calls.length > 0) return { kind: 'publish', calls }
    const pollAt = this.polledAt + (this.fill >= 0.5 ? this.options.crowdedPollMs : this.options.headPollMs)
    if (now >= pollAt) return { kind: 'poll' }
    return { kind: 'wait', until: Math.min(pollAt, this.takeoverAt(now)), idle: false }
  }

  /** The answers to the calls of a step, in their order. Returns the deliveries that are done with. */
  answered(calls: readonly PublishCall[], answers: readonly Answer[], now: number): Delivery[] {
    const again: PublishCall[] = []
    calls.forEach((call, i) => {
      const answer = answers[i] ?? { kind: 'lost' }
      if (answer.kind === 'lost') again.push({ ...call, retried: true })
      else this.settle(call, answer)
    })
    this.retry = again.length === 0 ? null : again
    if (this.retry === null) this.heardAt = now
    return this.release()
  }

  /** What Redis holds, asked for by a step. Returns the deliveries that are done with. */
  polled(metas: readonly Polled[], now: number): Delivery[] {
    this.polledAt = this.heardAt = now
    this.partitions.forEach((partition, p) => {
      const meta = metas[p] ?? null
      if (meta === null) this.reason ??= 'empty'
      else if (meta.epoch !== this.epoch) this.reason ??= 'epoch'
      else if (meta.head < partition.head) this.reason ??= 'rolled'
      else partition.head = meta.head
    })
    return this.release()
  }

  /** The consumer ended: what is in the window is read again from head. */
  ended(): void {
    this.reason ??= 'ended'
  }

  /** How full the window is; from 1 on it is full. */
  private get fill(): number {
    const { windowMax, windowBytesMax } = this.options
    return Math.max(this.window.length / windowMax, this.window.bytes / windowBytesMax)
  }

  private settle(call: PublishCall, answer: Exclude<Answer, { kind: 'lost' }>): void {
    const partition = this.partitions[call.partition]
    if (partition === undefined) return
    switch (answer.kind) {
      case 'OK':
        this.won(partition, call)
        return
      case 'DUP':
      case 'PART':
        if (call.retried && answer.head === call.last) {
          this.won(partition, call)
        } else {
          partition.head = answer.head
          partition.leads = false
        }
        return
      case 'ROLLED':
      case 'EMPTY':
      case 'EPOCH':
        this.reason ??= answer.kind === 'ROLLED' ? 'rolled' : answer.kind === 'EMPTY' ? 'empty' : 'epoch'
        return
      case 'failed':
        this.reason ??= 'failed'
    }
  }

  private won(partition: Partition, call: PublishCall): void {
    partition.head = call.last
    partition.leads = true
    for (const delivery of call.deliveries) delivery.published = true
  }

  private release(): Delivery[] {
    const lowest = Math.min(...this.heads)
    return this.window.release(({ offset, target }) => {
      const head = target === EVERY_PARTITION ? lowest : this.partitions[target]?.head
      return head !== undefined && offset <= head
    })
  }

  private needs(p: number, partition: Partition, delivery: Delivery): boolean {
    return (delivery.target === p || delivery.target === EVERY_PARTITION) && delivery.offset > partition.head
  }

  /** The calls of one batch: every partition that is led from here or overdue, up to the same `last`. */
  private calls(now: number): PublishCall[] {
    const slice = this.window.peek()
    const last = slice.at(-1)
    if (last === undefined) return []
    const calls: PublishCall[] = []
    let fingerprint: string | null = null
    this.partitions.forEach((partition, p) => {
      const deliveries = slice.filter((delivery) => this.needs(p, partition, delivery))
      const oldest = deliveries[0]
      if (oldest === undefined) return
      if (!partition.leads && now - oldest.receivedAt < this.options.takeoverMs) return
      fingerprint ??= last.fingerprint()
      const { epoch } = this
      calls.push({
        partition: p,
        epoch,
        prev: partition.head,
        last: last.offset,
        fingerprint,
        deliveries,
        retried: false,
      })
    })
    return calls
  }

  /** When the oldest delivery, which waits for a followed partition, will have waited long enough. */
  private takeoverAt(now: number): number {
    const oldest = this.window.oldest?.receivedAt ?? now
    return Math.max(oldest + this.options.takeoverMs, now + 1)
  }
}
