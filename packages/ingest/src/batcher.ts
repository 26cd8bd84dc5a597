import type { Delivery } from './delivery.js'

export interface BatchLimits {
  /** Deliveries in one batch. */
  readonly batchCountMax: number
  /** Bytes of bodies in one batch; a single larger body still travels, alone. */
  readonly batchBytesMax: number
}

/** The deliveries that are not yet known to be in the log, oldest first. */
export class Batcher {
  private readonly limits: BatchLimits
  private items: Delivery[] = []
  private first = 0
  private held = 0

  constructor(limits: BatchLimits) {
    this.limits = limits
  }

  get length(): number {
    return this.items.length - this.first
  }

  /** Of the bodies of all deliveries here. */
  get bytes(): number {
    return this.held
  }

  get oldest(): Delivery | undefined {
    return this.items[this.first]
  }

  push(delivery: Delivery): void {
    this.items.push(delivery)
    this.held += delivery.bytes
  }

  /** The longest run from the oldest on that fits into one batch; at least one when there is any. */
  peek(): Delivery[] {
    let end = this.first
    let bytes = 0
    while (end < this.items.length && end - this.first < this.limits.batchCountMax) {
      bytes += this.items[end]?.bytes ?? 0
      if (end > this.first && bytes > this.limits.batchBytesMax) break
      end++
    }
    return this.items.slice(this.first, end)
  }

  /** Takes the deliveries off the old end for as long as `done` says so. */
  release(done: (delivery: Delivery) => boolean): Delivery[] {
    const from = this.first
    for (let item = this.oldest; item !== undefined && done(item); item = this.oldest) {
      this.first++
      this.held -= item.bytes
    }
    const released = this.items.slice(from, this.first)
    if (this.first > this.items.length / 2) {
      this.items = this.items.slice(this.first)
      this.first = 0
    }
    return released
  }
}
