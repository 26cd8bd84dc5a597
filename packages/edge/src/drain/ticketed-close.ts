import { SERVICE_RESTART } from '@wazo-websocketd/shared/domain/close'
import type { TokenId } from '@wazo-websocketd/shared/domain/identity'
import type { Positions } from '@wazo-websocketd/shared/domain/position'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import type { Connection } from '../session/connection.js'
import type { IssuedTicket, SessionMetrics, Tickets } from '../session/ports.js'

/** So long sessions stand still for the token's sessions on other workers that leave at the same time. */
const SETTLE_MS = 150
/** Within it they read on to where all of them leave, or leave where they are. */
const READ_ON_MS = 2_000
/** After it those that had to wait try again. */
const RETRY_MS = 500

export interface TicketedCloseOptions {
  readonly tickets: Tickets
  readonly clock: Clock
  readonly metrics: Pick<SessionMetrics, 'tickets'>
}

/** How the sessions of one token are to go. */
export interface LeaveOptions {
  /** They cannot wait for those that left before them to be back. */
  readonly final: boolean
  /** Another worker has called for it already. */
  readonly announced: boolean
}

interface LeavingSession {
  readonly connection: Connection
  readonly id: string
  readonly positions: Positions
}

/**
 * Ends sessions with 1012 in a way that their clients can go on where they ended (architecture, section 7).
 *
 * A client that comes back says nothing of which session it had. So all sessions of a token that leave at the same
 * time, on whatever worker, leave at the same place: they stand still, agree on the furthest place that any of them has
 * reached, are served up to there, and leave their tickets before the close frames go out. When others of the token
 * left a moment before, at an earlier place, these stay until those are back.
 */
export class TicketedClose {
  private readonly options: TicketedCloseOptions
  /** Tokens whose sessions are leaving, or have just been told to wait. */
  private readonly busy = new Set<TokenId>()
  /** Those that were told to wait: they have been paid for. */
  private readonly waited = new Set<TokenId>()

  constructor(options: TicketedCloseOptions) {
    this.options = options
  }

  /** Lets these sessions of one token go. Returns how many of them it had not tried before. */
  begin(token: TokenId, connections: readonly Connection[], manner: LeaveOptions): number {
    if (this.busy.has(token)) return 0
    const leaving: Connection[] = []
    const positions: Positions[] = []
    let begun = 0
    for (const connection of connections) {
      if (connection.ending) continue
      const frozenAt = connection.freeze()
      if (frozenAt === 'unsettled') continue
      begun++
      if (frozenAt === 'nowhere') connection.end(SERVICE_RESTART)
      else {
        leaving.push(connection)
        positions.push(frozenAt)
      }
    }
    if (leaving.length > 0) {
      this.busy.add(token)
      void this.leave(token, leaving, positions, manner)
    }
    return this.waited.has(token) ? 0 : begun
  }

  private async leave(
    token: TokenId,
    connections: readonly Connection[],
    positions: readonly Positions[],
    { final, announced }: LeaveOptions,
  ): Promise<void> {
    const { tickets } = this.options
    if (!announced) tickets.announce(token)
    const drafts = connections.map((holder, i) => ({ holder, positions: positions[i] as Positions }))
    const ids = await tickets.draft(token, drafts)
    if (ids === null) {
      this.endWithout(connections)
      this.busy.delete(token)
      return
    }
    await this.pause(SETTLE_MS)
    const agreement = await tickets.agree(token, ids, final)
    if (agreement.kind === 'wait') {
      await this.stay(token, connections)
      return
    }
    const leaving = connections.map((connection, i): LeavingSession => {
      const id = ids[i] as string
      const at = agreement.kind === 'leave' ? agreement.at.get(id) : undefined
      return { connection, id, positions: at ?? (positions[i] as Positions) }
    })
    await this.readOn(leaving)
    await this.close(token, leaving)
    this.busy.delete(token)
  }

  private async stay(token: TokenId, connections: readonly Connection[]): Promise<void> {
    for (const connection of connections) connection.unfreeze()
    this.waited.add(token)
    await this.pause(RETRY_MS)
    this.busy.delete(token)
  }

  /** Serves the sessions up to where they leave. */
  private async readOn(leaving: readonly LeavingSession[]): Promise<void> {
    const all = leaving.map(
      ({ connection, positions }) =>
        new Promise<void>((resolve) => {
          if (connection.ending) resolve()
          else connection.readTo(positions, resolve)
        }),
    )
    await Promise.race([Promise.all(all), this.pause(READ_ON_MS)])
  }

  /** The tickets first, then the close frames. */
  private async close(token: TokenId, leaving: readonly LeavingSession[]): Promise<void> {
    const { tickets } = this.options
    const [good, void_] = [[] as LeavingSession[], [] as LeavingSession[]]
    const issued: IssuedTicket[] = []
    for (const session of leaving) {
      const { connection, id } = session
      connection.stopReading()
      const at = connection.frozenAt
      if (at === null || connection.token !== token) {
        void_.push(session)
        continue
      }
      good.push(session)
      issued.push({ id, holder: connection, positions: at, alone: !sameAs(at, session.positions) })
    }
    const written = issued.length === 0 || (await tickets.issue(token, issued))
    let left = 0
    for (const session of good) {
      const { connection } = session
      if (connection.ending || connection.frozenAt === null || connection.token !== token) {
        void_.push(session)
        continue
      }
      connection.end(SERVICE_RESTART)
      left++
    }
    if (left > 0) this.options.metrics.tickets(written ? 'left' : 'not-left', left)
    tickets.withdraw(
      token,
      void_.map(({ id }) => id),
    )
    // A new token meanwhile: they leave under that one, the next time.
    for (const { connection } of void_) connection.unfreeze()
  }

  private endWithout(connections: readonly Connection[]): void {
    let ended = 0
    for (const connection of connections) {
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
