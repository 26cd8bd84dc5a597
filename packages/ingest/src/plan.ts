/** Where an ingest attaches, given what Redis holds and what it remembers (architecture, section 2). Pure. */
import type { Epoch, Offset } from '@wazo-websocketd/shared/domain/identity'
import type { Mark } from './ring.js'

/** The hash `meta` of one partition. */
export interface Meta extends Mark {
  readonly epoch: Epoch
  readonly stream: string
  readonly partitions: number
  /** Absent: the one that this program writes. */
  readonly form?: string
}

/** What an ingest knows of the numbering from before; lost when it ends. */
export interface Memory {
  readonly epoch: Epoch
  /** Where the history begins. */
  readonly start: Mark
  /** It reaches back over the whole of `redis.history`. */
  readonly complete: boolean
}

export type Plan =
  /** Attach at the lowest head and go on. */
  | { readonly kind: 'attach'; readonly epoch: Epoch; readonly at: Mark; readonly heads: readonly Offset[] }
  /** Redis lost its data: write these partitions' meta again, with the same epoch, once attached at `at`. */
  | {
      readonly kind: 'seed'
      readonly epoch: Epoch
      readonly at: Mark
      readonly partitions: readonly number[]
    }
  /** Bring partitions that a new epoch has not reached yet into it. */
  | {
      readonly kind: 'adopt'
      readonly epoch: Epoch
      readonly at: Mark
      readonly partitions: readonly number[]
    }
  /** Somebody else may know better: look again soon. */
  | { readonly kind: 'wait'; readonly why: 'no-meta' | 'foreign' }
  | { readonly kind: 'new-epoch'; readonly why: NewEpochReason }

export type NewEpochReason =
  'first-start' | 'redis-empty' | 'other-stream' | 'trimmed' | 'recreated' | 'marker-gone'

export interface PlanOptions {
  readonly stream: string
  readonly partitions: number
  /** How long an ingest that remembers less than the whole history leaves an empty Redis to one that does. */
  readonly youngWaitMs: number
  /** How long an ingest without a memory leaves an empty Redis to those who have one. */
  readonly emptyWaitMs: number
  /** How long the head of another stream, partition count or form has to stand still before it is given up. */
  readonly foreignWaitMs: number
}

/** Plans attachment after attachment; remembers only how long it has been waiting. */
export class Planner {
  private readonly options: PlanOptions
  private emptySince: number | null = null
  private foreign: { heads: string; since: number } | null = null

  constructor(options: PlanOptions) {
    this.options = options
  }

  /** `metas`: one per partition, null where there is none. `now`: monotonic milliseconds. */
  plan(metas: readonly (Meta | null)[], memory: Memory | null, now: number): Plan {
    const present = metas.filter((meta) => meta !== null)
    if (present.some((meta) => this.isForeign(meta))) return this.planForeign(present, now)
    this.foreign = null
    const [first] = metas
    const recorded = first?.epoch ?? present[0]?.epoch
    const missing = indexes(metas, (meta) => meta === null)
    if (missing.length > 0) return this.planEmpty(recorded, missing, memory, now)
    this.emptySince = null
    if (first === null || first === undefined) return { kind: 'wait', why: 'no-meta' }
    const behind = indexes(metas, (meta) => meta?.epoch !== first.epoch)
    if (behind.length > 0) return { kind: 'adopt', epoch: first.epoch, at: first, partitions: behind }
    const at = present.reduce((lowest, meta) => (meta.offset < lowest.offset ? meta : lowest))
    return { kind: 'attach', epoch: first.epoch, at, heads: present.map(({ offset }) => offset) }
  }

  private planEmpty(
    recorded: Epoch | undefined,
    missing: readonly number[],
    memory: Memory | null,
    now: number,
  ): Plan {
    this.emptySince ??= now
    const waited = now - this.emptySince
    if (memory !== null && (recorded === undefined || recorded === memory.epoch)) {
      if (!memory.complete && waited < this.options.youngWaitMs) return { kind: 'wait', why: 'no-meta' }
      return { kind: 'seed', epoch: memory.epoch, at: memory.start, partitions: missing }
    }
    if (waited < this.options.emptyWaitMs) return { kind: 'wait', why: 'no-meta' }
    return { kind: 'new-epoch', why: recorded === undefined ? 'first-start' : 'redis-empty' }
  }

  /** Whether it is the numbering of ingests of another kind, which this one must not touch. */
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

function indexes(metas: readonly (Meta | null)[], test: (meta: Meta | null) => boolean): number[] {
  return metas.flatMap((meta, p) => (test(meta) ? [p] : []))
}
