import type { FaultWindow } from './history.js'

/** A close that a fault has caused may be noticed by the client this much later. */
const ECHO_MS_MAX = 3000

/** What the faults of a run excuse: lateness, and ends of sessions. */
export class Timeline {
  private readonly windows: readonly FaultWindow[]
  private readonly deliveryMsMax: number

  constructor(windows: readonly FaultWindow[], deliveryMsMax: number) {
    this.deliveryMsMax = deliveryMsMax
    this.windows = windows.toSorted((a, b) => a.from - b.from)
  }

  /** When at the latest an event must have reached its receivers that the broker has had since `at`. */
  due(at: number): number {
    let due = at + this.deliveryMsMax
    for (const { from, to } of this.windows)
      if (from <= due && to >= at) due = Math.max(due, to + this.deliveryMsMax)
    return due
  }

  /** Whether a fault may have ended a session of this host at that time with this code. */
  excuses(code: number, at: number, host: number): boolean {
    return this.around(at, host).some(({ codes }) => codes.includes(code))
  }

  /** Whether a fault was on: nobody who comes then can be sure to be served. */
  troubled(at: number): boolean {
    return this.around(at, null).length > 0
  }

  /** Whether places that drained sessions have left may have been lost between these times. */
  forgets(from: number, to: number): boolean {
    return this.windows.some(
      ({ forgets = false, ...window }) => forgets && window.from <= to && window.to + ECHO_MS_MAX >= from,
    )
  }

  private around(at: number, host: number | null): readonly FaultWindow[] {
    return this.windows.filter(
      (window) =>
        window.from <= at &&
        at <= window.to + ECHO_MS_MAX &&
        (host === null || window.host === null || window.host === host),
    )
  }
}
