import type { BusEvent } from '@wazo-websocketd/shared/domain/event'
import type { Offset, Position } from '@wazo-websocketd/shared/domain/position'
import type { Loss } from './page.js'

export type { Loss }

/** What the bus tells the worker. All calls are synchronous and must not throw. */
export interface BusListener {
  /** The events of one batch that lie above the cursor, in order, each exactly once. */
  events(partition: number, events: readonly BusEvent[]): void
  /** Continuity of this partition can no longer be proven: its sessions have to be told (1011). */
  lost(partition: number, why: string): void
  /** The answer of `Bus.missing` changed. */
  readinessChanged(): void
}

/** What a session that is behind the worker's cursor reads the log with. */
export interface LogSink {
  /** Events above the reader's position, in order. */
  events(events: readonly BusEvent[]): void
  /**
   * The position now equals the worker's cursor; everything later comes live. Called in the same tick. Where the
   * reading had an end (`until`): that is reached, and nothing comes any more.
   */
  live(): void
  /** It can no longer be brought up to date. */
  lost(loss: Loss): void
  /** Whether the client has not yet taken what it was given: then nothing more is read for a while. */
  congested(): boolean
}

/** A claim on partitions; while it is held the worker stays subscribed to them. */
export interface PartitionLease {
  /**
   * Calls `task`, never before it returns, once the worker is live on all of them and hears of a bus that is not lost:
   * every event published from then on arrives. Waits while Redis is away; never calls after `release`. To be asked once.
   */
  whenLive(task: () => void): void
  /** Idempotent, also while it waits. */
  release(): void
}

/** The reading side of the bus, one per worker. */
export interface Bus {
  /** What keeps the worker from serving, in words for `/readyz`; empty when it can. */
  notReadyReasons(): readonly string[]
  /**
   * Claims `partitions`. Where the wait for them outlasts `redis.lost_grace`, or the bus is lost, the listener hears
   * that the partition is `lost`.
   */
  lease(partitions: readonly number[]): PartitionLease
  /** Up to where this worker has delivered the partition, also while continuity is in doubt; null before its first use. */
  cursor(partition: number): Position | null
  /**
   * Reads the log for one session from `position` on, at the pace of its client; returns a way to stop. A position
   * above the cursor waits for the cursor. Needs a hold on the partition. With `until`, an offset up to which the
   * partition has been published, it reads just so far, where the worker's cursor may have yet to come.
   */
  readLog(partition: number, position: Position, reader: LogSink, until?: Offset): () => void
}
