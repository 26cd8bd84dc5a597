import type { Epoch, Offset } from '@wazo-websocketd/shared/domain/position'
import type { Delivery } from '../normalise/delivery.js'
import type { Timings } from '../timings.js'
import type { DeliveryWindow } from './window.js'

/** The answer of the script, or the outcome of a call without one. */
export type PublishAnswer =
  | { readonly kind: 'OK' | 'DUP' | 'PART' | 'ROLLED'; readonly head: Offset }
  | { readonly kind: 'EMPTY' }
  /** Another program has written to the keys of the partition, which are deleted now. */
  | { readonly kind: 'CORRUPT' }
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
  /** The answer to an earlier attempt got lost. */
  readonly retried: boolean
}

/**
 * Reason for which an ingest has to attach again. `gap`: an offset is missing, and is read anew, which no session notices; `behind`:
 * Redis wants what has left the window; `hole`: the stream has lost messages, or may have; `unmarked`: the epoch's marker is gone.
 */
export type AttachReason =
  'gap' | 'rolled' | 'empty' | 'epoch' | 'failed' | 'ended' | 'silent' | 'behind' | 'hole' | 'unmarked'

/** Answers after which an ingest has to attach again. */
const ATTACH_REASONS = {
  ROLLED: 'rolled',
  EMPTY: 'empty',
  CORRUPT: 'empty',
  EPOCH: 'epoch',
  failed: 'failed',
} as const

export type Step =
  | { readonly kind: 'publish'; readonly call: PublishCall }
  /** Ask Redis for the head. */
  | { readonly kind: 'poll' }
  /** Nothing to do before a delivery comes or monotonic `until` is reached. */
  | { readonly kind: 'wait'; readonly until: number }
  | { readonly kind: 'attach'; readonly why: AttachReason }

/** The head that Redis holds of the partition; null: no meta. */
export type PolledHead = { readonly epoch: Epoch; readonly offset: Offset } | null

export type SequencerOptions = Pick<
  Timings,
  'headPollMs' | 'backlogPollMs' | 'idlePollMs' | 'takeoverMs' | 'unreachableMs'
>

export interface SequencerStart {
  readonly partition: number
  readonly epoch: Epoch
  /** That of the partition in Redis; null: Redis has not answered, or the partition has not come into the epoch. */
  readonly head: Offset | null
  /** A partition that is not in the epoch is left out for so long. */
  readonly rejoinMs: number
}

/**
 * Decides what one partition publishes and when: the life of an attached ingest without I/O. The publish loop carries out
 * one step at a time and reports the answer.
 */
export class Sequencer {
  readonly partition: number
  private readonly options: SequencerOptions
  private readonly epoch: Epoch
  private readonly rejoinMs: number
  private readonly window: DeliveryWindow
  private currentHead: Offset | null
  private isLeading = true
  private retry: PublishCall | null = null
  private attachReason: AttachReason | null = null
  private readonly startedAt: number
  private polledAt: number
  /** Monotonic milliseconds of the last answer of Redis. */
  private answeredAt: number
  private failingSince: number | null = null

  constructor(options: SequencerOptions, start: SequencerStart, window: DeliveryWindow, now: number) {
    this.options = options
    this.partition = start.partition
    this.epoch = start.epoch
    this.rejoinMs = start.rejoinMs
    this.currentHead = start.head
    this.window = window
    this.polledAt = this.answeredAt = this.startedAt = now
  }

  /** The head of the partition; null: not known yet, as Redis has not answered. */
  get head(): Offset | null {
    return this.currentHead
  }

  /** Whether this partition's batches go out from here. */
  get leads(): boolean {
    return this.isLeading && this.currentHead !== null
  }

  /** Whether Redis has not answered for this partition for too long. */
  isUnreachable(now: number): boolean {
    if (this.currentHead === null) return true
    return this.failingSince !== null && now - this.failingSince >= this.options.unreachableMs
  }

  /** Whether Redis answers and nothing waits for it. */
  isIdle(now: number): boolean {
    if (this.failingSince !== null || this.retry !== null) return false
    const head = this.headInWindow
    return head !== null && this.window.waitingSince(this.partition, head, now) === null
  }

  /** The next thing to do, when nothing is under way. */
  step(now: number): Step {
    const { headInWindow: head, window, options } = this
    if (this.attachReason !== null) return { kind: 'attach', why: this.attachReason }
    if (this.retry !== null) return { kind: 'publish', call: this.retry }
    const since = head === null ? null : window.waitingSince(this.partition, head, now)
    if (head === null || since === null) {
      const until = Math.max(this.answeredAt, this.polledAt) + options.idlePollMs
      return now >= until ? { kind: 'poll' } : { kind: 'wait', until }
    }
    const takeoverAt = since + options.takeoverMs
    if (this.isLeading || now >= takeoverAt) {
      const call = this.nextCall(head)
      if (call !== null) return { kind: 'publish', call }
    }
    const pollAt = this.polledAt + (window.fill >= 0.5 ? options.backlogPollMs : options.headPollMs)
    return now >= pollAt ? { kind: 'poll' } : { kind: 'wait', until: Math.min(pollAt, takeoverAt) }
  }

  /** Takes in the answer to the call of a step. */
  answered(call: PublishCall, answer: PublishAnswer, now: number): void {
    if (answer.kind === 'lost') {
      this.retry = { ...call, retried: true }
      this.failed(now)
      return
    }
    this.retry = null
    this.noteAnswer(now)
    if (answer.kind === 'OK') this.committed(call)
    else if (answer.kind !== 'DUP' && answer.kind !== 'PART') this.attachReason = ATTACH_REASONS[answer.kind]
    else if (call.retried && answer.head === call.last) this.committed(call)
    else {
      this.isLeading = false
      this.moveHead(answer.head)
    }
  }

  /** Takes in the head that a step has asked Redis for. */
  polled(meta: PolledHead, now: number): void {
    this.polledAt = now
    this.noteAnswer(now)
    if (this.head === null && meta?.epoch !== this.epoch && now - this.startedAt < this.rejoinMs)
      this.failed(now) // left out because Redis did not take its meta: not to be tried all the time
    else if (meta === null) this.attachReason = 'empty'
    else if (meta.epoch !== this.epoch) this.attachReason = 'epoch'
    else if (this.head !== null && meta.offset < this.head) this.attachReason = 'rolled'
    else this.moveHead(meta.offset)
  }

  /** Redis gave no answer, or does not serve. */
  failed(now: number): void {
    this.polledAt = now
    this.failingSince ??= now
  }

  /** The head, if what follows it is in the window; null: Redis has to be asked first what others have published. */
  private get headInWindow(): Offset | null {
    return this.head === null || this.head < this.window.base(this.partition) ? null : this.head
  }

  private noteAnswer(now: number): void {
    this.answeredAt = now
    this.failingSince = null
  }

  private committed(call: PublishCall): void {
    this.isLeading = true
    for (const delivery of call.deliveries) delivery.published = true
    this.moveHead(call.last)
  }

  /** Sets the head; below the window, as others went on while Redis did not answer, the ingest has to attach again. */
  private moveHead(head: Offset): void {
    this.currentHead = head
    if (this.headInWindow === null) this.attachReason = 'behind'
  }

  private nextCall(prev: Offset): PublishCall | null {
    const batch = this.window.batch(this.partition, prev)
    if (batch === null) return null
    const { last, deliveries } = batch
    const { partition, epoch } = this
    const fingerprint = last.fingerprint()
    return { partition, epoch, prev, last: last.offset, fingerprint, deliveries, retried: false }
  }
}
