import type { Clock, Timer } from '@wazo-websocketd/shared/runtime/clock'

interface Task {
  readonly at: number
  readonly run: () => void
}

/** Two values far apart: a program that takes one clock for the other fails. */
const WALL_START = 1_800_000_000_000
const STEADY_START = 1_000

/** A clock that stands still until a test moves it; due tasks run in order of their time. */
export class FakeClock implements Clock {
  private wall: number
  private steady: number
  private tasks: Task[] = []

  /** @param start of both clocks */
  constructor(start?: number) {
    this.wall = start ?? WALL_START
    this.steady = start ?? STEADY_START
  }

  now(): number {
    return this.wall
  }

  monotonic(): number {
    return this.steady
  }

  after(delay: number, run: () => void): Timer {
    const task = { at: this.steady + delay, run }
    this.tasks.push(task)
    return { cancel: () => this.forget(task) }
  }

  /** How many tasks wait. */
  get pending(): number {
    return this.tasks.length
  }

  /** The wall clock alone jumps. */
  jump(ms: number): void {
    this.wall += ms
  }

  /** Lets `ms` pass synchronously. */
  advance(ms: number): void {
    const end = this.steady + ms
    for (let task = this.nextUntil(end); task !== undefined; task = this.nextUntil(end)) {
      this.forget(task)
      this.move(Math.max(task.at, this.steady))
      task.run()
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

  /** The earliest task, of several at the same time the one that was set first. */
  private nextUntil(end: number): Task | undefined {
    let next: Task | undefined
    for (const task of this.tasks)
      if (task.at <= end && !(next !== undefined && next.at <= task.at)) next = task
    return next
  }

  private forget(task: Task): void {
    this.tasks = this.tasks.filter((other) => other !== task)
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
