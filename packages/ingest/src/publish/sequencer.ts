/**
 * Who publishes what and when in one partition: the life of an attached ingest as decisions without I/O.
 * The pipeline carries out one step at a time and reports the answer.
 */
import type { Epoch, Offset } from '@wazo-websocketd/shared/domain/position'
import type { Delivery } from '../normalise/delivery.js'
import type { Window } from './window.js'

/** What the script answered, or what became of the call. */
export type PublishAnswer =
  | { readonly kind: 'OK' | 'DUP' | 'PART' | 'ROLLED'; readonly head: Offset }
  | { readonly kind: 'EMPTY' }
  | { readonly kind: 'EPOCH'; readonly epoch: Epoch }
  /** The call may have been carried out or not, or Redis does not serve now: it has to be made again. */
  | { readonly kind: 'lost'; readonly why: string }
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

/**
 * Why an ingest has to attach again. `behind`: Redis wants what has left the window; `hole`: the stream has lost
 * messages; `unmarked`: the epoch's marker is gone.
 */
export type AttachReason =
  'gap' | 'rolled' | 'empty' | 'epoch' | 'failed' | 'ended' | 'silent' | 'behind' | 'hole' | 'unmarked'

export type Step =
  | { readonly kind: 'publish'; readonly call: PublishCall }
  /** Ask Redis for the head. */
  | { readonly kind: 'poll' }
  /** Nothing to do before a delivery comes or monotonic `until` is reached. */
  | { readonly kind: 'wait'; readonly until: number }
  | { readonly kind: 'attach'; readonly why: AttachReason }

/** What Redis holds of the partition when asked; null: no meta. */
export type Polled = { readonly epoch: Epoch; readonly offset: Offset } | null

export interface SequencerOptions {
  /** How often a follower asks for the head. */
  readonly headPollMs: number
  /** How often it does when the window is half full, so that it keeps up with the one that publishes. */
  readonly backlogPollMs: number
  /** How long nothing may be heard of Redis when there is nothing to publish: it may have lost its data. */
  readonly idlePollMs: number
  /** A follower publishes by itself when its oldest delivery has waited that long. */
  readonly takeoverMs: number
  /** Without an answer for so long a partition no longer keeps the others from going on. */
  readonly absentMs: number
  /** How long a partition that has not come into the epoch yet is left out. */
  readonly rejoinMs: number
}

export class Sequencer {
  readonly partition: number
  private readonly options: SequencerOptions
  private readonly epoch: Epoch
  private readonly window: Window
  /** null: not known yet, Redis has not answered for this partition. */
  private at: Offset | null
  private isLeading = true
  private retry: PublishCall | null = null
  private reason: AttachReason | null = null
  private readonly startedAt: number
  private polledAt: number
  /** When Redis last said anything. */
  private heardAt: number
  private failingSince: number | null = null

  /** `head`: where the partition stands in Redis; null: Redis has not told. */
  constructor(
    options: SequencerOptions,
    place: { readonly partition: number; readonly epoch: Epoch; readonly head: Offset | null },
    window: Window,
    now: number,
  ) {
    this.options = options
    this.partition = place.partition
    this.epoch = place.epoch
    this.at = place.head
    this.window = window
    this.polledAt = this.heardAt = this.startedAt = now
  }

  get head(): Offset | null {
    return this.at
  }

  /** This partition's batches go out from here. */
  get leads(): boolean {
    return this.isLeading && this.at !== null
  }

  /** Redis does not answer for this partition. */
  isAbsent(now: number): boolean {
    if (this.at === null) return true
    return this.failingSince !== null && now - this.failingSince >= this.options.absentMs
  }

  /** Nothing waits for Redis, which answers. */
  isIdle(now: number): boolean {
    if (this.failingSince !== null || this.retry !== null) return false
    return this.follows !== null && this.window.waitingSince(this.partition, this.follows, now) === null
  }

  /** The next thing to do, when nothing is under way. */
  step(now: number): Step {
    const { follows: at, window, options } = this
    if (this.reason !== null) return { kind: 'attach', why: this.reason }
    if (this.retry !== null) return { kind: 'publish', call: this.retry }
    const since = at === null ? null : window.waitingSince(this.partition, at, now)
    if (at === null || since === null) {
      const until = Math.max(this.heardAt, this.polledAt) + options.idlePollMs
      return now >= until ? { kind: 'poll' } : { kind: 'wait', until }
    }
    const takeoverAt = since + options.takeoverMs
    if (this.isLeading || now >= takeoverAt) {
      const call = this.call(at)
      if (call !== null) return { kind: 'publish', call }
    }
    const pollAt = this.polledAt + (window.fill >= 0.5 ? options.backlogPollMs : options.headPollMs)
    return now >= pollAt ? { kind: 'poll' } : { kind: 'wait', until: Math.min(pollAt, takeoverAt) }
  }

  /** What became of the call of a step. */
  answered(call: PublishCall, answer: PublishAnswer, now: number): void {
    if (answer.kind === 'lost') {
      this.retry = { ...call, retried: true }
      this.failed(now)
      return
    }
    this.retry = null
    this.heard(now)
    switch (answer.kind) {
      case 'OK':
        this.won(call)
        return
      case 'DUP':
      case 'PART':
        if (call.retried && answer.head === call.last) this.won(call)
        else {
          this.isLeading = false
          this.moved(answer.head)
        }
        return
      case 'ROLLED':
        this.reason = 'rolled'
        return
      case 'EMPTY':
        this.reason = 'empty'
        return
      case 'EPOCH':
        this.reason = 'epoch'
        return
      case 'failed':
        this.reason = 'failed'
    }
  }

  /** What Redis holds, asked for by a step. */
  polled(meta: Polled, now: number): void {
    this.polledAt = now
    this.heard(now)
    if (this.at === null && meta?.epoch !== this.epoch && now - this.startedAt < this.options.rejoinMs)
      this.failed(now) // it was left out because Redis did not take it: not to be tried all the time
    else if (meta === null) this.reason = 'empty'
    else if (meta.epoch !== this.epoch) this.reason = 'epoch'
    else if (this.at !== null && meta.offset < this.at) this.reason = 'rolled'
    else this.moved(meta.offset)
  }

  /** Redis gave no answer, or does not serve. */
  failed(now: number): void {
    this.polledAt = now
    this.failingSince ??= now
  }

  /** The head, if what follows it is in the window; else Redis has to tell first what others have published. */
  private get follows(): Offset | null {
    return this.at === null || this.at < this.window.base(this.partition) ? null : this.at
  }

  private heard(now: number): void {
    this.heardAt = now
    this.failingSince = null
  }

  private won(call: PublishCall): void {
    this.isLeading = true
    for (const delivery of call.deliveries) delivery.published = true
    this.moved(call.last)
  }

  /** The others went on without this partition for as long as Redis did not answer for it. */
  private moved(head: Offset): void {
    this.at = head
    if (this.follows === null) this.reason = 'behind'
  }

  private call(prev: Offset): PublishCall | null {
    const batch = this.window.batch(this.partition, prev)
    if (batch === null) return null
    const { last, deliveries } = batch
    const { partition, epoch } = this
    return {
      partition,
      epoch,
      prev,
      last: last.offset,
      fingerprint: last.fingerprint(),
      deliveries,
      retried: false,
    }
  }
}
