import { performance } from 'node:perf_hooks'

/** A pending call; `cancel` is idempotent. */
export interface Timer {
  cancel(): void
}

/** Time as the program sees it; injected, so that tests can move it. All values are milliseconds. */
export interface Clock {
  /** Unix time of this machine's wall clock; may jump. */
  now(): number
  /** Time since an arbitrary start; never jumps or goes backwards. */
  monotonic(): number
  /** Calls `task` once after `delay`; does not keep the process alive. */
  after(delay: number, task: () => void): Timer
}

/** The clock of this machine. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delay, task) {
    const handle = setTimeout(task, Math.min(delay, 2 ** 31 - 1))
    handle.unref()
    return { cancel: () => clearTimeout(handle) }
  },
}
