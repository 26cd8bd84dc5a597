import type {
  Agreement,
  IssuedTicket,
  Ticket,
  TicketDraft,
  Tickets,
} from '@wazo-websocketd/edge/drain/tickets'
import type { Positions, Epoch, Offset } from '@wazo-websocketd/shared/domain/position'
import type { TokenId } from '@wazo-websocketd/shared/domain/identity'

/** Positions in partition 0, 1, .. of an epoch. */
export function at(offsets: readonly Offset[], epoch = 'epoch'): Positions {
  return new Map(offsets.map((offset, partition) => [partition, { epoch: epoch as Epoch, offset }]))
}

/** Tickets in memory, which answer as a test wants. */
export class FakeTickets implements Tickets {
  readonly announced: string[] = []
  readonly drafts: (TicketDraft & { readonly id: string; readonly token: string })[] = []
  readonly issued: (IssuedTicket & { readonly token: string })[] = []
  readonly withdrawn: string[] = []
  readonly restored: string[] = []
  readonly asked: { readonly token: string; readonly version: number; readonly names: string[] }[] = []
  readonly finals: boolean[] = []
  /** What `take` finds. */
  found: Ticket | null = null
  /** Where sessions are to leave; null: where they are. */
  target: Positions | null = null
  agreement: 'leave' | 'wait' | 'failed' = 'leave'
  down = false
  /** While true, `take` waits for `answer`. */
  waiting = false
  private queue: (() => void)[] = []

  tokenHash(token: TokenId): string {
    return `tag of ${token}`
  }

  announce(token: TokenId): void {
    this.announced.push(token)
  }

  async draft(token: TokenId, drafts: readonly TicketDraft[]): Promise<readonly string[] | null> {
    await Promise.resolve()
    if (this.down) return null
    const from = this.drafts.length
    drafts.forEach((draft, i) => this.drafts.push({ ...draft, id: `ticket-${from + i}`, token }))
    return drafts.map((_, i) => `ticket-${from + i}`)
  }

  async agree(_token: TokenId, ids: readonly string[], final: boolean): Promise<Agreement> {
    await Promise.resolve()
    this.finals.push(final)
    if (this.agreement !== 'leave') return { kind: this.agreement }
    const place = (id: string) => this.target ?? this.drafts.find((draft) => draft.id === id)!.positions
    return { kind: 'leave', at: new Map(ids.map((id) => [id, place(id)])) }
  }

  async issue(token: TokenId, tickets: readonly IssuedTicket[]): Promise<boolean> {
    await Promise.resolve()
    if (this.down) return false
    for (const ticket of tickets) this.issued.push({ ...ticket, token })
    return true
  }

  withdraw(_token: TokenId, ids: readonly string[]): void {
    this.withdrawn.push(...ids)
  }

  async take(token: TokenId, { version, subscriptions }: TicketDraft['connection']): Promise<Ticket | null> {
    this.asked.push({ token, version, names: [...subscriptions] })
    if (this.waiting) await new Promise<void>((resolve) => this.queue.push(resolve))
    return this.found
  }

  restore(_token: TokenId, id: string): void {
    this.restored.push(id)
  }

  answer(): void {
    this.waiting = false
    for (const resolve of this.queue) resolve()
    this.queue = []
  }
}
