import type { TokenId, Verdict } from '@wazo-websocketd/shared/domain/identity'
import type { LookupPriority } from '../session/ports.js'

export type LookupOptions = Pick<PendingLookup, 'token' | 'priority' | 'address' | 'since' | 'deadline'>

/** Answers all who ask about one token while its look-up waits or is under way. */
export class PendingLookup {
  readonly token: TokenId
  /** Of the client for whom it was first asked for; null: for an open session. */
  readonly address: string | null
  /** When it was asked for, and by when it has its answer; monotonic milliseconds. */
  readonly since: number
  readonly deadline: number
  readonly answer: Promise<Verdict>
  /** Changed by the queue alone. */
  priority: LookupPriority
  private resolve: (verdict: Verdict) => void = () => undefined
  private askers = 0

  constructor({ token, priority, address, since, deadline }: LookupOptions) {
    this.token = token
    this.priority = priority
    this.address = address
    this.since = since
    this.deadline = deadline
    this.answer = new Promise((resolve) => (this.resolve = resolve))
  }

  /** Whether anybody waits for the answer. */
  get wanted(): boolean {
    return this.askers > 0
  }

  /** One more waits for the answer. */
  join(): void {
    this.askers++
  }

  /** One waits no more. */
  leave(): void {
    this.askers--
  }

  settle(verdict: Verdict): void {
    this.resolve(verdict)
  }
}

/** When the oldest newcomer has waited for so long, wazo-auth does not keep up, and the newest goes first. */
const OVERLOAD_MS = 1_000

/**
 * Orders look-ups that wait: those of open sessions first, in order of arrival, then newcomers. Newcomers that all
 * waited in order would all wait in vain while more come than wazo-auth answers. So the newest goes first then: some
 * get their answer at once, and the others theirs when the wave is over, or 1013 at their deadline.
 */
export class LookupQueue {
  private readonly max: number
  private readonly ofPriority: Readonly<Record<LookupPriority, WaitingList>> = {
    session: new WaitingList(),
    connect: new WaitingList(),
  }

  /** @param max look-ups of each priority */
  constructor(max: number) {
    this.max = max
  }

  isFull(priority: LookupPriority): boolean {
    return this.ofPriority[priority].size >= this.max
  }

  has(lookup: PendingLookup): boolean {
    return this.ofPriority[lookup.priority].has(lookup)
  }

  add(lookup: PendingLookup): void {
    this.ofPriority[lookup.priority].add(lookup)
  }

  /** The one of this priority that has waited longest. */
  oldest(priority: LookupPriority): PendingLookup | undefined {
    return this.ofPriority[priority].oldest
  }

  /** Returns whether it was waiting. */
  remove(lookup: PendingLookup): boolean {
    return this.ofPriority[lookup.priority].delete(lookup)
  }

  /** An open session asks about the token as well: the look-up need not wait behind newcomers any more. */
  promote(lookup: PendingLookup): void {
    if (!this.remove(lookup)) return
    lookup.priority = 'session'
    this.add(lookup)
  }

  /**
   * Takes out the one whose turn it is. `least`: the least priority that it may have; `now`: monotonic milliseconds.
   */
  shift(least: LookupPriority, now: number): PendingLookup | undefined {
    const next = this.ofPriority.session.oldest ?? (least === 'connect' ? this.nextNewcomer(now) : undefined)
    if (next !== undefined) this.remove(next)
    return next
  }

  private nextNewcomer(now: number): PendingLookup | undefined {
    const { oldest, newest } = this.ofPriority.connect
    return oldest !== undefined && now - oldest.since > OVERLOAD_MS ? newest : oldest
  }
}

/** Keeps look-ups by arrival, to be taken from both ends or from between. */
class WaitingList {
  private readonly waiting = new Set<PendingLookup>()
  /** Also holds some that wait no more, which are passed over at either end. */
  private inOrder: PendingLookup[] = []
  private from = 0

  get size(): number {
    return this.waiting.size
  }

  get oldest(): PendingLookup | undefined {
    while (this.from < this.inOrder.length && !this.waiting.has(this.inOrder[this.from] as PendingLookup))
      this.from++
    return this.inOrder[this.from]
  }

  get newest(): PendingLookup | undefined {
    while (this.inOrder.length > this.from && !this.waiting.has(this.inOrder.at(-1) as PendingLookup))
      this.inOrder.pop()
    return this.inOrder.at(-1)
  }

  has(lookup: PendingLookup): boolean {
    return this.waiting.has(lookup)
  }

  add(lookup: PendingLookup): void {
    if (this.inOrder.length > 2 * this.waiting.size) this.compact()
    this.waiting.add(lookup)
    this.inOrder.push(lookup)
  }

  delete(lookup: PendingLookup): boolean {
    return this.waiting.delete(lookup)
  }

  private compact(): void {
    this.inOrder = this.inOrder.filter((lookup) => this.waiting.has(lookup))
    this.from = 0
  }
}
