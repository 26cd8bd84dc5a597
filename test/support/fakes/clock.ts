import type { Clock, Timer } from '@wazo-websocketd/shared/runtime/clock'

/** A clock that stands still until a test moves it; what falls due on the way happens in its order. */
export class FakeClock implements Clock {
  private time = 0
  private tasks: { at: number; task: () => void }[] = []

  now(): number {
    return this.time
  }

  monotonic(): number {
    return this.time
  }

  after(delay: number, task: () => void): Timer {
    const entry = { at: this.time + delay, task }
    this.tasks.push(entry)
    return { cancel: () => void (this.tasks = this.tasks.filter((other) => other !== entry)) }
  }

  /** Milliseconds. */
  advance(by: number): void {
    const end = this.time + by
    for (;;) {
      const next = this.tasks.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0]
      if (next === undefined) break
      this.tasks = this.tasks.filter((entry) => entry !== next)
      this.time = Math.max(this.time, next.at)
      next.task()
    }
    this.time = end
  }

  get pending(): number {
    return this.tasks.length
  }
}
