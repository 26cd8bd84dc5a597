/** So long one slice works before others have their turn, milliseconds. */
const SLICE_MS = 4
/** Items between two looks at the clock. */
const ITEMS_PER_LOOK = 8
/** Items after which a slice ends in any case. */
const SLICE_ITEMS_MAX = 250

export interface SliceClock {
  monotonic(): number
}

/**
 * Does `work` with each item and yields after each slice, of some milliseconds: between two slices the loop of the
 * process turns once, so that whatever else is due is done, however many items there are.
 */
export async function* inSlices<T>(
  items: Iterable<T>,
  clock: SliceClock,
  work: (item: T) => void,
): AsyncGenerator<undefined, void> {
  let from = clock.monotonic()
  let done = 0
  for (const item of items) {
    work(item)
    done++
    const late = done % ITEMS_PER_LOOK === 0 && clock.monotonic() - from >= SLICE_MS
    if (!late && done < SLICE_ITEMS_MAX) continue
    yield
    await new Promise<void>((resolve) => setImmediate(resolve))
    from = clock.monotonic()
    done = 0
  }
}
