import type { Clock, Timer } from '@wazo-websocketd/shared/runtime/clock'

/** A task that is due at most once at a time. */
export class OneShotTimer {
  private readonly clock: Clock
  private readonly task: () => void
  private timer: Timer | null = null

  constructor(clock: Clock, task: () => void) {
    this.clock = clock
    this.task = task
  }

  /** Rings after `delay` milliseconds, unless it is set already: then when it was going to. */
  set(delay: number): void {
    this.timer ??= this.clock.after(delay, () => {
      this.timer = null
      this.task()
    })
  }

  cancel(): void {
    this.timer?.cancel()
    this.timer = null
  }
}
