import type { Clock, Timer } from '@wazo-websocketd/shared/runtime/clock'

interface Pending {
  readonly at: number
  readonly order: number
  readonly task: () => void
}

/** A clock that stands still until a test moves it; due tasks run in order of their time. */
export class FakeClock implements Clock {
  private wall = 1_800_000_000_000
  private steady = 1_000
  private order = 0
  private readonly pending = new Set<Pending>()

  now(): number {
    return this.wall
  }

  monotonic(): number {
    return this.steady
  }

  after(delay: number, task: () => void): Timer {
    const entry: Pending = { at: this.steady + delay, order: this.order++, task }
    this.pending.add(entry)
    return { cancel: () => this.pending.delete(entry) }
  }

  get timers(): number {
    return this.pending.size
  }

  /** The wall clock alone jumps. */
  jump(ms: number): void {
    this.wall += ms
  }

  /** Lets `ms` pass synchronously. */
  advance(ms: number): void {
    const end = this.steady + ms
    for (;;) {
      let next: Pending | null = null
      for (const entry of this.pending) {
        if (entry.at > end) continue
        if (next === null || entry.at < next.at || (entry.at === next.at && entry.order < next.order))
          next = entry
      }
      if (next === null) break
      this.pending.delete(next)
      this.move(Math.max(next.at, this.steady))
      next.task()
    }
    this.move(end)
  }

  /** Lets `ms` pass in steps, with promises settled after each. */
  async pass(ms: number, step = 100): Promise<void> {
    for (let left = ms; left > 0; left -= step) {
      this.advance(Math.min(step, left))
      await settle()
    }
  }

  private move(to: number): void {
    this.wall += to - this.steady
    this.steady = to
  }
}

/** Lets everything that promises have under way happen. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
