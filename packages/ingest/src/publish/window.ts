import type { Offset } from '@wazo-websocketd/shared/domain/position'
import { EVERY_PARTITION, type Delivery } from '../normalise/delivery.js'

export interface WindowLimits {
  /** Deliveries in one batch. */
  readonly batchCountMax: number
  /** Bytes in one batch; a single larger event still travels, alone. */
  readonly batchBytesMax: number
  /** Deliveries, and bytes of them, with which the window is full. */
  readonly windowMax: number
  readonly windowBytesMax: number
  /** A delivery that is not urgent waits so long for one that is. */
  readonly lingerMs: number
}

/** An edge delivers a batch in one go: larger ones would keep its clients waiting. */
const BATCH_COUNT_MAX = 250
const BATCH_BYTES_MAX = 1024 ** 2
const WINDOW_BYTES_MAX = 16 * 1024 ** 2
/** Longer than the time between two beats. */
const LINGER_MS = 1500
/** A batch takes at most this part of `redis.history_bytes`: the log is cut batch by batch. */
const BATCHES_PER_HISTORY = 8

/** Sizes of batches and of the window, by the credit that the broker gives and what the log may hold. */
export function windowLimits(prefetch: number, historyBytes: number): WindowLimits {
  return {
    batchCountMax: BATCH_COUNT_MAX,
    batchBytesMax: Math.min(BATCH_BYTES_MAX, historyBytes / BATCHES_PER_HISTORY),
    // While a batch is on its way to Redis, another one is read besides what the credit allows.
    windowMax: prefetch + BATCH_COUNT_MAX,
    windowBytesMax: WINDOW_BYTES_MAX,
    lingerMs: LINGER_MS,
  }
}

/** The next batch of one partition: its deliveries up to the offset of `last`, which may be for another partition. */
export interface WindowBatch {
  readonly deliveries: readonly Delivery[]
  readonly last: Delivery
}

/**
 * Holds the deliveries that are not yet known to be in the logs, in the order of the stream; all partitions share
 * them. Pure.
 */
export class DeliveryWindow {
  private readonly limits: WindowLimits
  private items: Delivery[] = []
  private first = 0
  private bytes = 0
  /** By target: the offset of the last delivery that was released. */
  private readonly releasedUpTo = new Map<number, Offset>()

  /** The first delivery follows `base`. */
  constructor(limits: WindowLimits, base: Offset) {
    this.limits = limits
    this.releasedUpTo.set(EVERY_PARTITION, base)
  }

  get length(): number {
    return this.items.length - this.first
  }

  /** The offset up to which deliveries for `partition` have been released. */
  base(partition: number): Offset {
    return Math.max(this.releasedUpTo.get(partition) ?? -1, this.releasedUpTo.get(EVERY_PARTITION) ?? -1)
  }

  /** The part of the window that is in use; from 1 on it is full. */
  get fill(): number {
    return Math.max(this.length / this.limits.windowMax, this.bytes / this.limits.windowBytesMax)
  }

  push(delivery: Delivery): void {
    this.items.push(delivery)
    this.bytes += delivery.bytes
  }

  /**
   * Monotonic milliseconds at which the oldest delivery came that makes `partition`, whose head is `head`, publish at `now`;
   * null: there is none.
   */
  waitingSince(partition: number, head: Offset, now: number): number | null {
    for (let i = this.first; i < this.items.length; i++) {
      const item = this.items[i]
      if (item === undefined || item.offset <= head || !concerns(item, partition)) continue
      if (item.urgent || now - item.receivedAt >= this.limits.lingerMs) return item.receivedAt
    }
    return null
  }

  /** The longest batch for `partition` that follows `head`; null: there is nothing for it. */
  batch(partition: number, head: Offset): WindowBatch | null {
    const deliveries: Delivery[] = []
    let last: Delivery | null = null
    let bytes = 0
    for (let i = this.first; i < this.items.length; i++) {
      const item = this.items[i]
      if (item === undefined || item.offset <= head) continue
      if (concerns(item, partition)) {
        bytes += item.bytes
        const isFull = deliveries.length >= this.limits.batchCountMax || bytes > this.limits.batchBytesMax
        if (deliveries.length > 0 && isFull) break
        deliveries.push(item)
      }
      last = item
    }
    return last === null || deliveries.length === 0 ? null : { deliveries, last }
  }

  /** Releases deliveries from the old end for as long as `isDone` holds. */
  release(isDone: (delivery: Delivery) => boolean): Delivery[] {
    const from = this.first
    for (let item = this.items[from]; item !== undefined && isDone(item); item = this.items[this.first]) {
      this.first++
      this.bytes -= item.bytes
      this.releasedUpTo.set(item.target, item.offset)
    }
    const released = this.items.slice(from, this.first)
    if (this.first > this.items.length / 2) {
      this.items = this.items.slice(this.first)
      this.first = 0
    }
    return released
  }
}

function concerns({ target }: Delivery, partition: number): boolean {
  return target === partition || target === EVERY_PARTITION
}
