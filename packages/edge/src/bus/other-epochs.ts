/** Tells a new epoch from that of another installation on the same channels: only the log shows which is in force. Pure. */
import type { Epoch } from '@wazo-websocketd/shared/domain/position'

/** So much later the log is read: a state may be ahead of it by a moment. */
const CHECK_AFTER_MS = 1_000
/** An epoch that is not in force by the log is ignored for so long. */
const FOREIGN_MS = 60_000
/** Epochs remembered, at most; a flood of them must not grow the map. */
const EPOCHS_MAX = 8

/** Bounds how often states of another epoch have the log read. All times are milliseconds of a monotonic clock. */
export class OtherEpochs {
  private readonly known = new Map<Epoch, { readonly since: number; foreignUntil: number }>()

  /** Takes note of a message of `epoch`. True: it may be in force, as far as the log has shown. */
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

  /** Whether the log has to be read now. */
  checkDue(now: number): boolean {
    for (const { since, foreignUntil } of this.known.values())
      if (foreignUntil === 0 && now - since >= CHECK_AFTER_MS) return true
    return false
  }

  /** Takes note that by the log, read at `asked`, the same epoch is in force as before. */
  markForeign(asked: number, now: number): void {
    for (const entry of this.known.values())
      if (entry.foreignUntil === 0 && entry.since <= asked) entry.foreignUntil = now + FOREIGN_MS
  }

  /** Forgets all: another epoch is in force. */
  clear(): void {
    this.known.clear()
  }
}
