import type { Evidence } from './evidence.js'
import type { FaultWindow, Violation } from './history.js'

/** The longest way of an event that was sent during each fault, in milliseconds; 0: none came. Clients that are cut off do not count. */
export function stallsOf(evidence: Evidence): Map<FaultWindow, number> {
  const { history } = evidence
  const windows = history.faults.toSorted((a, b) => a.from - b.from)
  const longest = new Map<FaultWindow, number>(windows.map((window) => [window, 0]))
  for (const { ids, times, isCut } of history.sessions) {
    if (isCut) continue
    for (let i = 0; i < ids.length; i++) {
      const sentAt = evidence.published.get(ids[i]!)?.sentAt ?? 0
      const begun = begunBy(windows, sentAt)
      const window = windows[begun - 1]
      if (window === undefined || sentAt > window.to) continue
      if (times[i]! >= (windows[begun]?.from ?? Infinity)) continue // the next fault held it up
      longest.set(window, Math.max(longest.get(window)!, times[i]! - sentAt))
    }
  }
  return longest
}

/** Part of I2: a fault that nobody may notice does not hold up events for longer than it may. */
export function checkStalls(evidence: Evidence): Violation[] {
  const violations: Violation[] = []
  for (const [{ kind, stallMsMax }, ms] of stallsOf(evidence))
    if (stallMsMax !== null && ms > stallMsMax)
      violations.push({
        invariant: 'I2',
        what: `${kind} held up an event for ${Math.round(ms)} ms, at most ${stallMsMax} are allowed`,
      })
  return violations
}

/** How many of the windows, which are in order, had begun by then. */
function begunBy(windows: readonly FaultWindow[], at: number): number {
  let [low, high] = [0, windows.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (windows[middle]!.from <= at) low = middle + 1
    else high = middle
  }
  return low
}
