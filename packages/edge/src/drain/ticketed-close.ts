import { SERVICE_RESTART } from '@wazo-websocketd/shared/domain/close'
import type { TokenId } from '@wazo-websocketd/shared/domain/identity'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import type { Connection } from '../session/connection.js'
import type { Positions } from '@wazo-websocketd/shared/domain/position'
import type { DrainMetrics } from './metrics.js'
import type { IssuedTicket, TicketDraft, Tickets } from './tickets.js'

/** So long sessions are frozen for the token's sessions on other workers that end at the same time. */
const SETTLE_MS = 150
/** Within it they read on to where all of them end, or end where they are. */
const READ_ON_MS = 2_000
/** After it those that had to wait try again. */
const RETRY_MS = 500

export interface TicketedCloseOptions {
  readonly tickets: Tickets
  readonly clock: Clock
  readonly metrics: DrainMetrics
}

/** How the sessions of one token are closed. */
export interface LeaveOptions {
  /** They cannot wait for the clients of those that ended before them to be back. */
  readonly final: boolean
  /** Another worker has announced it already. */
  readonly announced: boolean
}

type Draft = TicketDraft & { readonly connection: Connection }
type Leaving = IssuedTicket & Draft

/**
 * Closes sessions with 1012 in such a way that their clients can go on where they ended (C3.22, docs/adr/0007).
 *
 * A client that comes back does not say which session it had. So all sessions of a token that end at the same time, on
 * whichever worker, end at the same place: they are frozen, agree on the furthest place that any of them has reached,
 * are served up to there, and issue their tickets before the close frames go out. When others of the token ended a
 * moment before, at an earlier place, these wait until the clients of those are back.
 */
export class TicketedClose {
  private readonly options: TicketedCloseOptions
  /** Tokens whose sessions are ending, or were just told to wait. */
  private readonly busy = new Set<TokenId>()
  /** Tokens whose sessions were told to wait: they have been counted. */
  private readonly counted = new Set<TokenId>()

  constructor(options: TicketedCloseOptions) {
    this.options = options
  }

  /** Begins to close these sessions of one token. Returns how many of them it had not tried before. */
  begin(token: TokenId, connections: readonly Connection[], options: LeaveOptions): number {
    if (this.busy.has(token)) return 0
    const drafts: Draft[] = []
    let begun = 0
    for (const connection of connections) {
      if (connection.ending) continue
      const positions = connection.feed.freeze()
      if (positions === 'unsettled') continue
      begun++
      if (positions === 'nowhere') connection.end(SERVICE_RESTART)
      else drafts.push({ connection, positions })
    }
    if (drafts.length > 0) {
      this.busy.add(token)
      void this.leave(token, drafts, options)
    }
    return this.counted.has(token) ? 0 : begun
  }

  private async leave(
    token: TokenId,
    drafts: readonly Draft[],
    { final, announced }: LeaveOptions,
  ): Promise<void> {
    const { tickets } = this.options
    if (!announced) tickets.announce(token)
    const ids = await tickets.draft(token, drafts)
    if (ids === null) {
      this.closeWithoutTickets(drafts)
      this.busy.delete(token)
      return
    }
    await this.pause(SETTLE_MS)
    const agreement = await tickets.agree(token, ids, final)
    if (agreement.kind === 'wait') {
      await this.postpone(token, drafts)
      return
    }
    const leaving = drafts.map(({ connection, positions }, i): Leaving => {
      const id = ids[i] as string
      const at = agreement.kind === 'leave' ? agreement.at.get(id) : undefined
      return { connection, id, positions: at ?? positions }
    })
    await this.readOn(leaving)
    await this.close(token, leaving)
    this.busy.delete(token)
  }

  private async postpone(token: TokenId, drafts: readonly Draft[]): Promise<void> {
    for (const { connection } of drafts) connection.feed.unfreeze()
    this.counted.add(token)
    await this.pause(RETRY_MS)
    this.busy.delete(token)
  }

  /** Serves the sessions up to where they are to end. */
  private async readOn(leaving: readonly Leaving[]): Promise<void> {
    const all = leaving.map(
      ({ connection, positions }) =>
        new Promise<void>((resolve) => {
          if (connection.ending) resolve()
          else connection.feed.readTo(positions, resolve)
        }),
    )
    await Promise.race([Promise.all(all), this.pause(READ_ON_MS)])
  }

  /** Issues the tickets first, then sends the close frames. */
  private async close(token: TokenId, leaving: readonly Leaving[]): Promise<void> {
    const { tickets } = this.options
    const issued: Leaving[] = []
    const withdrawn: Leaving[] = []
    for (const each of leaving) {
      const { connection, id, positions } = each
      connection.feed.stopReading()
      const at = connection.feed.frozenAt
      if (at === null || connection.token !== token) withdrawn.push(each)
      else issued.push({ id, connection, positions: at, alone: !sameAs(at, positions) })
    }
    const written = issued.length === 0 || (await tickets.issue(token, issued))
    let left = 0
    for (const each of issued) {
      const { connection } = each
      if (connection.ending || connection.feed.frozenAt === null || connection.token !== token) {
        withdrawn.push(each)
        continue
      }
      connection.end(SERVICE_RESTART)
      left++
    }
    if (left > 0) this.options.metrics.tickets(written ? 'left' : 'not-left', left)
    tickets.withdraw(
      token,
      withdrawn.map(({ id }) => id),
    )
    // Those with a new token since end under that one, the next time.
    for (const { connection } of withdrawn) connection.feed.unfreeze()
  }

  private closeWithoutTickets(drafts: readonly Draft[]): void {
    let ended = 0
    for (const { connection } of drafts) {
      if (connection.ending) continue
      connection.end(SERVICE_RESTART)
      ended++
    }
    if (ended > 0) this.options.metrics.tickets('not-left', ended)
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.options.clock.after(ms, resolve))
  }
}

function sameAs(at: Positions, target: Positions): boolean {
  for (const [partition, { epoch, offset }] of target) {
    const here = at.get(partition)
    if (here?.epoch !== epoch || here.offset !== offset) return false
  }
  return true
}
