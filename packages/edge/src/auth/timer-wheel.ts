import type { Clock, Timer } from '@wazo-websocketd/shared/runtime/clock'

const SLOT_MS = 100
/** Tasks run by so much after their time, and never before it. */
export const WHEEL_LATE_MS_MAX = 2 * SLOT_MS

/** A task that waits: one of a ring of those that are due together, in the order in which they came. */
class Entry implements Timer {
  readonly slot: number
  /** With `target` rather than about it: no closure stays in memory for as long as it waits. */
  readonly task: (target: unknown) => void
  readonly target: unknown
  previous: Entry = this
  next: Entry = this
  /** null: it does not wait any more. */
  wheel: TimerWheel | null

  constructor(wheel: TimerWheel, slot: number, task: (target: unknown) => void, target: unknown) {
    this.wheel = wheel
    this.slot = slot
    this.task = task
    this.target = target
  }

  cancel(): void {
    this.wheel?.remove(this)
  }
}

export interface TimerWheelOptions {
  readonly clock: Clock
  /** The time that tasks are scheduled by, milliseconds; may be corrected while they wait. */
  readonly now: () => number
}

/**
 * Any number of tasks on one timer. They wait for a time of a corrected clock: when a correction moves that
 * clock, they move with it.
 */
export class TimerWheel {
  private readonly options: TimerWheelOptions
  /** The last entry of each slot. */
  private readonly slots = new Map<number, Entry>()
  /** The time of slot 0, which keeps the numbers of slots small. */
  private readonly origin: number
  private done: number
  private count = 0
  private timer: Timer | null = null

  constructor(options: TimerWheelOptions) {
    this.options = options
    this.origin = options.now()
    this.done = this.slotNow()
  }

  get size(): number {
    return this.count
  }

  /** Calls `task` with `target` at `at` (milliseconds of the wheel's clock), or soon when that has passed. */
  schedule<Target>(at: number, task: (target: Target) => void, target: Target): Timer {
    // The clock may have been corrected backwards a moment ago: what is due by it must not wait for the old hand.
    const now = this.slotNow()
    if (this.count === 0 || now < this.done) this.done = now
    const slot = Math.max(Math.ceil((at - this.origin) / SLOT_MS), this.done + 1)
    const entry = new Entry(this, slot, task as (target: unknown) => void, target)
    this.append(entry)
    this.run()
    return entry
  }

  /** Takes a task out; idempotent. */
  remove(entry: Entry): void {
    if (entry.wheel === null) return
    const { slot, previous, next } = entry
    entry.wheel = null
    this.count--
    if (next === entry) this.slots.delete(slot)
    else {
      previous.next = next
      next.previous = previous
      if (this.slots.get(slot) === entry) this.slots.set(slot, previous)
    }
    if (this.count > 0) return
    this.timer?.cancel()
    this.timer = null
  }

  private append(entry: Entry): void {
    const last = this.slots.get(entry.slot)
    if (last !== undefined) {
      entry.previous = last
      entry.next = last.next
      entry.previous.next = entry
      entry.next.previous = entry
    }
    this.slots.set(entry.slot, entry)
    this.count++
  }

  private run(): void {
    this.timer ??= this.options.clock.after(SLOT_MS, () => {
      this.timer = null
      this.turn()
      if (this.count > 0) this.run()
    })
  }

  private turn(): void {
    const now = this.slotNow()
    const slots = this.due(now)
    // First, so that what a task schedules for the past gets into a slot that is still to come.
    this.done = now
    for (const due of slots) {
      for (let last; (last = this.slots.get(due)) !== undefined;) {
        const entry = last.next
        this.remove(entry)
        entry.task(entry.target)
      }
    }
  }

  /** The slots that have come, in order. A jump over many slots looks at those in use instead. */
  private due(now: number): number[] {
    if (now - this.done > this.slots.size)
      return [...this.slots.keys()].filter((slot) => slot <= now).sort((a, b) => a - b)
    const due: number[] = []
    for (let slot = this.done + 1; slot <= now; slot++) due.push(slot)
    return due
  }

  private slotNow(): number {
    return Math.floor((this.options.now() - this.origin) / SLOT_MS)
  }
}
