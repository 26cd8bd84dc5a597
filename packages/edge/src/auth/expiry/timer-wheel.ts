import type { Clock, Timer } from '@wazo-websocketd/shared/runtime/clock'

const SLOT_MS = 100
/** It looks at its clock at least so often: nobody tells it of corrections. */
const SLEEP_SLOTS_MAX = 3
/** Tasks run by so much after their time at most, even when the clock is corrected meanwhile, and never before it. */
export const WHEEL_LATE_MS_MAX = (SLEEP_SLOTS_MAX + 1) * SLOT_MS
/** A timer may ring a little early. */
const MARGIN_MS = 1

/** Waits for its time: one of a ring of tasks that are due together, in the order in which they came. */
class WheelTask implements Timer {
  readonly slot: number
  /** With `target` rather than about it: no closure stays in memory for as long as it waits. */
  readonly task: (target: unknown) => void
  readonly target: unknown
  previous: WheelTask = this
  next: WheelTask = this
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
 * Runs any number of tasks by one timer, which sleeps over slots without any. They wait for a time of a corrected
 * clock: when a correction moves that clock, they move with it.
 */
export class TimerWheel {
  private readonly options: TimerWheelOptions
  /** The last entry of each slot. */
  private readonly slots = new Map<number, WheelTask>()
  /** The time of slot 0, which keeps the numbers of slots small. */
  private readonly origin: number
  private doneUpTo: number
  private count = 0
  private timer: Timer | null = null
  /** The slot that the timer is set to. */
  private wakesAt = 0
  private running = false

  constructor(options: TimerWheelOptions) {
    this.options = options
    this.origin = options.now()
    this.doneUpTo = this.slotNow()
  }

  get size(): number {
    return this.count
  }

  /** Calls `task` with `target` at `at` (milliseconds of the wheel's clock), or soon when that has passed. */
  schedule<Target>(at: number, task: (target: Target) => void, target: Target): Timer {
    // The clock may have been corrected backwards a moment ago: what is due by it must not wait for the old hand.
    const now = this.slotNow()
    if (this.count === 0 || now < this.doneUpTo) this.doneUpTo = now
    const slot = Math.max(Math.ceil((at - this.origin) / SLOT_MS), this.doneUpTo + 1)
    const entry = new WheelTask(this, slot, task as (target: unknown) => void, target)
    this.append(entry)
    // What a task schedules is seen to at the end of the turn.
    if (this.running) return entry
    if (this.timer === null || slot < this.wakesAt) this.sleepUntil(Math.min(slot, now + SLEEP_SLOTS_MAX))
    return entry
  }

  /** Takes a task out; idempotent. */
  remove(entry: WheelTask): void {
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

  private append(entry: WheelTask): void {
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

  private sleepUntil(slot: number): void {
    this.timer?.cancel()
    this.wakesAt = slot
    const ms = this.origin + slot * SLOT_MS - this.options.now() + MARGIN_MS
    this.timer = this.options.clock.after(ms, () => {
      this.timer = null
      this.running = true
      try {
        this.runDue()
      } finally {
        this.running = false
        if (this.count > 0) this.sleepUntil(this.nextSlot())
      }
    })
  }

  /** The next slot with a task, as far ahead as it may sleep. */
  private nextSlot(): number {
    let slot = this.doneUpTo + 1
    while (slot < this.doneUpTo + SLEEP_SLOTS_MAX && !this.slots.has(slot)) slot++
    return slot
  }

  private runDue(): void {
    const now = this.slotNow()
    const slots = this.due(now)
    // First, so that what a task schedules for the past gets into a slot that is still to come.
    this.doneUpTo = now
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
    if (now - this.doneUpTo > this.slots.size)
      return [...this.slots.keys()].filter((slot) => slot <= now).sort((a, b) => a - b)
    const due: number[] = []
    for (let slot = this.doneUpTo + 1; slot <= now; slot++) due.push(slot)
    return due
  }

  private slotNow(): number {
    return Math.floor((this.options.now() - this.origin) / SLOT_MS)
  }
}
