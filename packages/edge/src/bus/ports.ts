import type { BusEvent } from '@wazo-websocketd/shared/domain/event'
import type { Offset, Position } from '@wazo-websocketd/shared/domain/position'
import type { IngestReport } from './ingest-status.js'
import type { Loss } from './page.js'

export type { Loss }

/** What the bus reports to the worker. All calls are synchronous and must not throw. */
export interface BusListener {
  /** The events of one batch that lie above the cursor, in order, each exactly once. */
  events(partition: number, events: readonly BusEvent[]): void
  /** Continuity of this partition can no longer be proven: its sessions have to end with 1011. */
  lost(partition: number, why: string): void
  /** The answer of `Bus.notReadyReasons` changed. */
  readinessChanged(): void
}

/** The reading side of the bus as operators are told of it. */
export interface BusReport {
  readonly ingests: readonly IngestReport[]
  readonly partitions: readonly {
    readonly partition: number
    readonly live: boolean
    readonly subscribed: boolean
    /** null: no position is known. */
    readonly epoch: string | null
    readonly offset: Offset | null
  }[]
}

/** Takes what the log holds for a session that lags behind the worker's cursor. */
export interface LogSink {
  /** Events above the reader's position, in order. */
  events(events: readonly BusEvent[]): void
  /**
   * The position now equals the worker's cursor; everything later comes live. Called in the same tick. A reading with an
   * end (`until`) has reached it instead, and nothing comes any more.
   */
  live(): void
  /** The session can no longer be brought up to date; `why` in words, for the log. */
  lost(loss: Loss, why: string): void
  /** Whether the client has not yet taken what it was given, so that nothing more is read for a while. */
  congested(): boolean
}

/** Keeps the worker subscribed to some partitions until it is released. */
export interface PartitionLease {
  /**
   * Calls `task`, never before it returns, once the worker is live on all of the partitions and the bus is not lost:
   * every event published from then on arrives. Waits while Redis is away; never calls after `release`. To be called once.
   */
  whenLive(task: () => void): void
  /** Idempotent, also while `whenLive` waits. */
  release(): void
}

/** Whether the log holds everything above a position, and if not, why. */
export type Reach = 'reached' | 'too old' | 'other epoch' | 'unknown'

/** The reading side of the bus, one per worker. */
export interface Bus {
  /** What keeps the worker from serving, in words for `/readyz`; empty when it can. */
  notReadyReasons(): readonly string[]
  /**
   * Gives a lease of `partitions`. Where the wait for them outlasts `redis.lost_grace`, or the bus is lost, the listener's
   * `lost` is called for the partition.
   */
  lease(partitions: readonly number[]): PartitionLease
  /** The position up to which this worker has delivered the partition, also while continuity is in doubt; null before its first use. */
  cursor(partition: number): Position | null
  /**
   * Reads the log for one session from `position` on, at the pace of its client; returns a way to stop. A position
   * above the cursor waits for the cursor. Needs a lease of the partition. With `until`, an offset up to which the
   * partition has been published, it reads just so far, even if the worker's cursor has yet to come there.
   */
  readLog(partition: number, position: Position, sink: LogSink, until?: Offset): () => void
  /**
   * Resolves with whether the log holds everything above `position`. Asks for as long as Redis does not answer. Needs a
   * lease of the partition; `other epoch` once the worker follows the partition no more.
   */
  reach(partition: number, position: Position): Promise<Reach>
}
