/**
 * Keeps the largest of the values of the last while. Reading it does not take it away: a value that one reader has seen is
 * still there for the next.
 */
export class HeldMaximum {
  private readonly heldMs: number
  /** Oldest first; each lasts until it is older than `heldMs`. */
  private readonly entries: { readonly at: number; value: number }[] = []

  /** @param heldMs how long a value counts */
  constructor(heldMs: number) {
    this.heldMs = heldMs
  }

  /** Takes a value in; `now` in milliseconds of a monotonic clock. Returns the largest of the last `heldMs`, this one too. */
  add(value: number, now: number): number {
    const { entries } = this
    const last = entries.at(-1)
    if (last !== undefined && now - last.at < MERGED_MS) last.value = Math.max(last.value, value)
    else entries.push({ at: now, value })
    const first = entries.findIndex(({ at }) => now - at <= this.heldMs)
    entries.splice(0, first)
    return Math.max(...entries.map((entry) => entry.value))
  }
}

/** Values that come so soon after one another are one: it bounds what is kept however often somebody looks. */
const MERGED_MS = 1000
