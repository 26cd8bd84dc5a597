import type { Offset } from '@wazo-websocketd/shared/domain/position'

/** The number of a canary, and that of the first one on the same channel. */
export interface CanaryNumber {
  readonly n: number
  readonly first: number
}

/**
 * Finds losses of the stream by this ingest's own canaries: they are numbered, and a channel keeps their
 * order, so one that is missing was lost in the stream, and events of the same moment with it. What was sent over a
 * channel that is gone may never have got to the broker and proves nothing. Pure.
 */
export class Continuity {
  private last: number | null = null
  private read: Offset = -1

  /** Reading goes on after `at`; `sameEpoch`: no loss has been found since reading ended. */
  attached(at: Offset, sameEpoch: boolean): void {
    if (!sameEpoch || at > this.read) this.last = null
    this.read = at
  }

  /** Everything up to `offset` has been read. */
  readUpTo(offset: Offset): void {
    if (offset > this.read) this.read = offset
  }

  /** Takes in the next own canary. False: one before it is missing. */
  accept({ n, first }: CanaryNumber): boolean {
    const { last } = this
    if (last !== null && n <= last) return true // read again
    this.last = n
    return last === null || n === Math.max(last + 1, first)
  }
}
