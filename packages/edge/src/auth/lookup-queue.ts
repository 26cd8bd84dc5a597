import type { TokenId, Verdict } from '@wazo-websocketd/shared/domain/identity'
import type { LookupPriority } from '../session/ports.js'

export type LookupOptions = Pick<PendingLookup, 'token' | 'priority' | 'address' | 'since' | 'deadline'>

/** One look-up, shared by all who ask about its token meanwhile. */
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

/** Look-ups that wait for their turn: those of open sessions first, each kind in order of arrival. */
export class LookupQueue {
  private readonly max: number
  private readonly ofPriority: Readonly<Record<LookupPriority, Set<PendingLookup>>> = {
    session: new Set(),
    connect: new Set(),
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

  /** Takes out the one whose turn it is. `least`: the least priority that it may have. */
  shift(least: LookupPriority): PendingLookup | undefined {
    const first = this.first('session') ?? (least === 'connect' ? this.first('connect') : undefined)
    if (first !== undefined) this.remove(first)
    return first
  }

  private first(priority: LookupPriority): PendingLookup | undefined {
    for (const first of this.ofPriority[priority]) return first
    return undefined
  }
}
