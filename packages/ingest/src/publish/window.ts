import type { Offset } from '@wazo-websocketd/shared/domain/position'
import { EVERY_PARTITION, type Delivery } from '../normalise/delivery.js'

export interface WindowLimits {
  /** Deliveries in one batch. */
  readonly batchCountMax: number
  /** Bytes in one batch; a single larger event still travels, alone. */
  readonly batchBytesMax: number
  /** With so many deliveries that are not yet known to be in the log, or so many bytes of them, no more are wanted. */
  readonly windowMax: number
  readonly windowBytesMax: number
  /** A delivery that is not urgent waits so long for one that is. */
  readonly lingerMs: number
}

/** What one partition publishes next: its deliveries up to the offset of `last`, whichever partition that is for. */
export interface WindowBatch {
  readonly deliveries: readonly Delivery[]
  readonly last: Delivery
}

/** The deliveries that are not yet known to be in the logs, in the order of the stream; all partitions share them. Pure. */
export class Window {
  private readonly limits: WindowLimits
  private items: Delivery[] = []
  private first = 0
  private held = 0
  /** By target: the last delivery that has left. */
  private readonly gone = new Map<number, Offset>()

  /** The first delivery follows `base`. */
  constructor(limits: WindowLimits, base: Offset) {
    this.limits = limits
    this.gone.set(EVERY_PARTITION, base)
  }

  get length(): number {
    return this.items.length - this.first
  }

  /** Up to here deliveries for `partition` have left the window. */
  base(partition: number): Offset {
    return Math.max(this.gone.get(partition) ?? -1, this.gone.get(EVERY_PARTITION) ?? -1)
  }

  /** How full it is; from 1 on it is full. */
  get fill(): number {
    return Math.max(this.length / this.limits.windowMax, this.held / this.limits.windowBytesMax)
  }

  push(delivery: Delivery): void {
    this.items.push(delivery)
    this.held += delivery.bytes
  }

  /**
   * When the oldest delivery came that makes `partition`, whose head is `head`, publish at monotonic `now`; null: there is
   * none.
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

  /** Takes the deliveries off the old end for as long as `done` says so. */
  release(done: (delivery: Delivery) => boolean): Delivery[] {
    const from = this.first
    for (let item = this.items[from]; item !== undefined && done(item); item = this.items[this.first]) {
      this.first++
      this.held -= item.bytes
      this.gone.set(item.target, item.offset)
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
