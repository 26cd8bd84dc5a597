import type { Clock, Timer } from '@wazo-websocketd/shared/runtime/clock'

const SLOT_MS = 100
/** Tasks run by so much after their time, and never before it. */
export const WHEEL_LATE_MS_MAX = 2 * SLOT_MS

interface Entry {
  slot: number
  readonly task: () => void
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
  private readonly slots = new Map<number, Set<Entry>>()
  private done: number
  private count = 0
  private timer: Timer | null = null

  constructor(options: TimerWheelOptions) {
    this.options = options
    this.done = this.slotNow()
  }

  get size(): number {
    return this.count
  }

  /** Runs `task` at `at` (milliseconds of the wheel's clock), or soon when that has passed. */
  schedule(at: number, task: () => void): Timer {
    // The clock may have been corrected backwards a moment ago: what is due by it must not wait for the old hand.
    const now = this.slotNow()
    if (this.count === 0 || now < this.done) this.done = now
    const entry: Entry = { slot: Math.max(Math.ceil(at / SLOT_MS), this.done + 1), task }
    const slot = this.slots.get(entry.slot)
    if (slot === undefined) this.slots.set(entry.slot, new Set([entry]))
    else slot.add(entry)
    this.count++
    this.run()
    return { cancel: () => this.remove(entry) }
  }

  /** Forgets all tasks and ends the timer. */
  clear(): void {
    this.slots.clear()
    this.count = 0
    this.timer?.cancel()
    this.timer = null
  }

  private remove(entry: Entry): void {
    const slot = this.slots.get(entry.slot)
    if (slot?.delete(entry) !== true) return
    this.count--
    if (slot.size === 0) this.slots.delete(entry.slot)
    if (this.count === 0) this.clear()
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
      for (const entry of this.slots.get(due) ?? []) {
        this.remove(entry)
        entry.task()
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
    return Math.floor(this.options.now() / SLOT_MS)
  }
}
