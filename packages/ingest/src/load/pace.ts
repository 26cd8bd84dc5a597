/** How many events are due, by the clock and not after the ones before, so that a slow broker does not lower the rate. Pure. */

export interface PaceOptions {
  /** Events per second. */
  readonly rate: number
  /** Infinity: no bound. */
  readonly count: number
  /** Milliseconds; Infinity: no bound. */
  readonly lengthMs: number
}

/** Tells how many events are due, by the clock and not after the ones before. */
export class Pace {
  private readonly options: PaceOptions
  private sent = 0

  constructor(options: PaceOptions) {
    this.options = options
  }

  /** How many events are to be sent now, `sinceMs` after the beginning, if at most `room` more may be under way. */
  take(sinceMs: number, room: number): number {
    const due = Math.min(this.dueAt(sinceMs) - this.sent, room)
    this.sent += due
    return due
  }

  /** Whether nothing more will be due after `sinceMs`. */
  isOver(sinceMs: number): boolean {
    const { count, lengthMs } = this.options
    return this.sent >= count || (sinceMs >= lengthMs && this.sent >= this.dueAt(sinceMs))
  }

  /** The first event is due at once; the last one before the end. */
  private dueAt(sinceMs: number): number {
    const { rate, count, lengthMs } = this.options
    const within = Math.min(sinceMs, lengthMs)
    const due =
      sinceMs >= lengthMs ? Math.ceil((within * rate) / 1000) : Math.floor((within * rate) / 1000) + 1
    return Math.min(due, count)
  }
}
