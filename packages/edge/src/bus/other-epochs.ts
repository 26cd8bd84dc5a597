/** Other epochs than the one in force: a new one, or that of another deployment whose channels are mixed up with ours. Pure. */
import type { Epoch } from '@wazo-websocketd/shared/domain/position'

/** A state may be ahead of the log by a moment. */
const LOOK_AFTER_MS = 1_000
/** For so long one look at the log answers for an epoch that is not in force. */
const FOREIGN_MS = 60_000
/** Epochs remembered at most; a flood of them must not grow the map. */
const EPOCHS_MAX = 8

/** All times are milliseconds of a monotonic clock. */
export class OtherEpochs {
  private readonly known = new Map<Epoch, { readonly since: number; foreignUntil: number }>()

  /** A message of `epoch` came. True: the log has not told yet that it is not in force. */
  received(epoch: Epoch, now: number): boolean {
    const entry = this.known.get(epoch)
    if (entry !== undefined && now < entry.foreignUntil) return false
    if (entry !== undefined && entry.foreignUntil === 0) return true
    for (const [other, { foreignUntil }] of this.known)
      if (foreignUntil !== 0 && now >= foreignUntil) this.known.delete(other)
    if (this.known.size >= EPOCHS_MAX) return false
    this.known.set(epoch, { since: now, foreignUntil: 0 })
    return true
  }

  /** Whether the log has to tell now. */
  checkDue(now: number): boolean {
    for (const { since, foreignUntil } of this.known.values())
      if (foreignUntil === 0 && now - since >= LOOK_AFTER_MS) return true
    return false
  }

  /** The log, asked at `asked`, holds the epoch in force as before. */
  markForeign(asked: number, now: number): void {
    for (const entry of this.known.values())
      if (entry.foreignUntil === 0 && entry.since <= asked) entry.foreignUntil = now + FOREIGN_MS
  }

  /** Another epoch is in force. */
  clear(): void {
    this.known.clear()
  }
}
