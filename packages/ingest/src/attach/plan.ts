import type { Epoch, Offset } from '@wazo-websocketd/shared/domain/position'
import type { Timings } from '../timings.js'
import type { StreamMark } from './history.js'

/** The hash `meta` of one partition. */
export interface Meta extends StreamMark {
  readonly epoch: Epoch
  readonly stream: string
  readonly partitions: number
  /** Absent in the form that this program writes. */
  readonly form?: string
}

/** Memory of the numbering; lost when the ingest ends. */
export interface Memory {
  readonly epoch: Epoch
  /** The place at which the history begins. */
  readonly start: StreamMark
  /** The offset up to which events have been published. */
  readonly end: Offset
  /** Whether the memory reaches back over the whole of `redis.history`. */
  readonly complete: boolean
  /** Partitions of which this ingest has seen the head: nothing of theirs was published before `start` that it does not know of. */
  readonly seen: ReadonlySet<number>
}

export type Plan =
  /** Attach at the lowest head. */
  | { readonly kind: 'attach'; readonly epoch: Epoch; readonly at: StreamMark }
  /** Redis lost its data: attach at `at`, then write the meta of these partitions again, with the same epoch. */
  | {
      readonly kind: 'seed'
      readonly epoch: Epoch
      readonly at: StreamMark
      readonly partitions: readonly number[]
    }
  /** Bring partitions that a new epoch has not reached yet into it. */
  | {
      readonly kind: 'adopt'
      readonly epoch: Epoch
      readonly at: StreamMark
      readonly partitions: readonly number[]
    }
  /** Ask Redis again soon: another ingest may know more, or Redis does not answer for all partitions. */
  | { readonly kind: 'wait'; readonly why: 'no-meta' | 'foreign' | 'not-all' }
  | { readonly kind: 'new-epoch'; readonly why: NewEpochReason }

export type NewEpochReason =
  | 'first-start'
  | 'redis-empty'
  | 'other-stream'
  | 'trimmed'
  | 'recreated'
  | 'marker-gone'
  /** The stream has lost messages, or may have: it stood still, or the ingest came back at another host. */
  | 'hole'

export interface PlanOptions extends Pick<Timings, 'partialHistoryWaitMs' | 'emptyWaitMs' | 'foreignWaitMs'> {
  readonly stream: string
  readonly partitions: number
}

/** Plans where to attach, by what Redis holds and the ingest remembers; keeps only how long it has been waiting. Pure. */
export class Planner {
  private readonly options: PlanOptions
  /** Since when partitions have been without a meta, and the epoch that others had. */
  private empty: { readonly recorded: Epoch | undefined; readonly since: number } | null = null
  private foreign: { heads: string; since: number } | null = null

  constructor(options: PlanOptions) {
    this.options = options
  }

  /**
   * Plans the next attempt. `metas`: one per partition, null where there is none, undefined where Redis does not answer: that
   * partition is left out. `now`: monotonic milliseconds.
   */
  plan(metas: readonly (Meta | null | undefined)[], memory: Memory | null, now: number): Plan {
    const present = metas.filter((meta) => meta !== null && meta !== undefined)
    if (present.some((meta) => this.isForeign(meta))) return this.planForeign(present, now)
    this.foreign = null
    const [first] = present
    const missing = indexes(metas, (meta) => meta === null)
    if (missing.length > 0) return this.planEmpty(first?.epoch, missing, memory, now)
    this.empty = null
    if (first === undefined) return { kind: 'wait', why: 'no-meta' }
    const others = indexes(metas, (meta) => meta !== undefined && meta?.epoch !== first.epoch)
    // An epoch begins in partition 0: without that one it is not known which epoch is the new one.
    if (others.length > 0 && metas[0] === undefined) return { kind: 'wait', why: 'not-all' }
    if (others.length > 0) return { kind: 'adopt', epoch: first.epoch, at: first, partitions: others }
    const at = present.reduce((lowest, meta) => (meta.offset < lowest.offset ? meta : lowest))
    return { kind: 'attach', epoch: first.epoch, at }
  }

  private planEmpty(
    recorded: Epoch | undefined,
    missing: readonly number[],
    memory: Memory | null,
    now: number,
  ): Plan {
    // Where an epoch appears meanwhile, another ingest has begun it and is about to write these.
    const hasBegun = recorded !== undefined && recorded !== this.empty?.recorded
    if (this.empty === null || hasBegun) this.empty = { recorded, since: now }
    const waited = now - this.empty.since
    if (memory !== null && (recorded === undefined || recorded === memory.epoch)) {
      if (waited < this.seedingWaitMs(memory, missing)) return { kind: 'wait', why: 'no-meta' }
      return { kind: 'seed', epoch: memory.epoch, at: memory.start, partitions: missing }
    }
    if (waited < this.options.emptyWaitMs) return { kind: 'wait', why: 'no-meta' }
    return { kind: 'new-epoch', why: recorded === undefined ? 'first-start' : 'redis-empty' }
  }

  /** For so long an empty Redis is left to ingests that remember more. */
  private seedingWaitMs({ seen, complete }: Memory, missing: readonly number[]): number {
    // What lies between a head that was never seen and the start of the memory would be published by nobody.
    if (!missing.every((partition) => seen.has(partition))) return this.options.emptyWaitMs
    return complete ? 0 : this.options.partialHistoryWaitMs
  }

  /** Whether the meta is of another stream, partition count or form, which this ingest must not touch. */
  isForeign(meta: Meta): boolean {
    const { stream, partitions } = this.options
    return meta.form !== undefined || meta.stream !== stream || meta.partitions !== partitions
  }

  private planForeign(present: readonly Meta[], now: number): Plan {
    const heads = present.map(({ epoch, offset }) => `${epoch}:${offset}`).join()
    if (this.foreign?.heads !== heads) this.foreign = { heads, since: now }
    if (now - this.foreign.since < this.options.foreignWaitMs) return { kind: 'wait', why: 'foreign' }
    return { kind: 'new-epoch', why: 'other-stream' }
  }
}

function indexes<T>(metas: readonly T[], test: (meta: T) => boolean): number[] {
  return metas.flatMap((meta, p) => (test(meta) ? [p] : []))
}
