import type { TokenId } from '@wazo-websocketd/shared/domain/identity'
import type { Positions } from '@wazo-websocketd/shared/domain/position'
import type { SessionMetrics, Ticket, TicketHolder, Tickets } from '../session/ports.js'

/** Who asks, as it is at its `start`. */
type RedemptionHolder = TicketHolder & { readonly token: TokenId }

/** Asks, at a session's start, for the ticket that an earlier session of its token has left. */
export class Redemption {
  private readonly tickets: Tickets
  private readonly metrics: Pick<SessionMetrics, 'tickets'>
  private readonly holder: RedemptionHolder
  private answer: Promise<Ticket | null> | null = null
  private used = false
  private abandoned = false
  private late = false

  constructor(tickets: Tickets, metrics: Pick<SessionMetrics, 'tickets'>, holder: RedemptionHolder) {
    this.tickets = tickets
    this.metrics = metrics
    this.holder = holder
  }

  /** Calls `found` with where to go on, or null: where the bus is now. One ticket, however often it is asked. */
  redeem(found: (positions: Positions | null) => void): void {
    const { tickets, holder } = this
    const { token } = holder
    this.answer ??= tickets.take(token, holder).then((ticket) => {
      // The start was not answered: the client has seen nothing of it.
      if (this.abandoned && ticket !== null) tickets.restore(token, ticket.id)
      return ticket
    })
    void this.answer.then((ticket) => {
      if (this.abandoned) return
      if (ticket !== null && !this.used) this.metrics.tickets('resumed', 1)
      this.used = true
      found(ticket?.positions ?? null)
    })
  }

  /** The session has its place: it never asks again. */
  settled(): void {
    this.answer = null
  }

  /** What the ticket is for cannot be read any more: counted once. */
  outdated(): void {
    if (!this.late) this.metrics.tickets('outdated', 1)
    this.late = true
  }

  /** The session has ended. */
  abandon(): void {
    this.abandoned = true
  }
}
