import type { Connection } from '../session/connection.js'
import type { Positions } from '@wazo-websocketd/shared/domain/position'
import type { DrainMetrics } from './metrics.js'
import type { Ticket, Tickets } from './tickets.js'

/** Asks, at a session's start, for the ticket that an earlier session of its token has left. */
export class Redemption {
  private readonly tickets: Tickets
  private readonly metrics: DrainMetrics
  private readonly connection: Connection
  private answer: Promise<Ticket | null> | null = null
  /** `abandoned`: the session has ended, and an answer that comes later gives the ticket back. */
  private state: 'open' | 'used' | 'abandoned' = 'open'
  private isOutdated = false

  constructor(tickets: Tickets, metrics: DrainMetrics, connection: Connection) {
    this.tickets = tickets
    this.metrics = metrics
    this.connection = connection
  }

  /** Calls `found` with where to go on, or null: where the bus is now. One ticket, however often it is asked for. */
  redeem(found: (positions: Positions | null) => void): void {
    const { tickets, connection } = this
    const { token } = connection
    this.answer ??= tickets.take(token, connection).then((ticket) => {
      // The start was not answered: the client has seen nothing of it.
      if (this.state === 'abandoned' && ticket !== null) tickets.restore(token, ticket.id)
      return ticket
    })
    void this.answer.then((ticket) => {
      if (this.state === 'abandoned') return
      if (ticket !== null && this.state === 'open') this.metrics.tickets('resumed', 1)
      this.state = 'used'
      found(ticket?.positions ?? null)
    })
  }

  /** The session has its place; it never asks again. */
  settled(): void {
    this.answer = null
  }

  /** Counts, once, that what the ticket stands for cannot be read any more. */
  outdated(): void {
    if (!this.isOutdated) this.metrics.tickets('outdated', 1)
    this.isOutdated = true
  }

  /** The session has ended. */
  abandon(): void {
    this.state = 'abandoned'
  }
}
