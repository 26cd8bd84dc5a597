/** What sessions closed with 1012 store in the cluster, so that the token's next session goes on where they ended. */
import type { TokenId } from '@wazo-websocketd/shared/domain/identity'
import type { Connection } from '../session/connection.js'
import type { Positions } from '@wazo-websocketd/shared/domain/position'

/** A session's place: what lies above `positions` it has not been sent. */
export interface TicketDraft {
  /** The session is recognised by these when it comes back with the same token. */
  readonly connection: Pick<Connection, 'version' | 'subscriptions' | 'address'>
  readonly positions: Positions
  /** It could not be brought to where the token's other sessions end. */
  readonly alone?: boolean
}

export interface IssuedTicket extends TicketDraft {
  readonly id: string
}

/** A ticket taken. */
export interface Ticket {
  readonly id: string
  readonly positions: Positions
}

/**
 * `leave`: where each session is to end, by ticket id. `wait`: others of the token ended earlier a moment ago, and
 * clients could not be told apart. `failed`: Redis did not answer.
 */
export type Agreement =
  | { readonly kind: 'leave'; readonly at: ReadonlyMap<string, Positions> }
  | { readonly kind: 'wait' }
  | { readonly kind: 'failed' }

/** Nothing here rejects, and everything is answered within a few seconds, with or without Redis. */
export interface Tickets {
  /** The name of a token in messages between workers. */
  tokenHash(token: TokenId): string
  /** Tells the other workers that the token's sessions end here now; those that drain end theirs too. */
  announce(token: TokenId): void
  /** Writes tickets that cannot be taken yet; resolves with their ids, or null when that failed. */
  draft(token: TokenId, drafts: readonly TicketDraft[]): Promise<readonly string[] | null>
  /**
   * Asks where the sessions of these drafts are to end. `final`: they cannot wait. After `wait` the drafts are gone.
   */
  agree(token: TokenId, ids: readonly string[], final: boolean): Promise<Agreement>
  /** From now on the tickets can be taken. False when it failed. */
  issue(token: TokenId, tickets: readonly IssuedTicket[]): Promise<boolean>
  /** Deletes tickets whose sessions ended otherwise. */
  withdraw(token: TokenId, ids: readonly string[]): void
  /** Takes the ticket that suits the session best; no other session gets it. */
  take(token: TokenId, connection: TicketDraft['connection']): Promise<Ticket | null>
  /** Gives a ticket back whose taker ended before it could use it. */
  restore(token: TokenId, id: string): void
}
