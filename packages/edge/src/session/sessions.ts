import { SERVICE_RESTART } from '@wazo-websocketd/shared/domain/close'
import type { Offset } from '@wazo-websocketd/shared/domain/position'
import type { TokenDetails } from '@wazo-websocketd/shared/domain/identity'
import type { LineLog } from '@wazo-websocketd/shared/runtime/line-log'
import type { FrameBytes } from '../deliver/frame.js'
import { Outbox } from '../deliver/outbox.js'
import { TicketedClose, type LeaveOptions } from '../drain/ticketed-close.js'
import type { Tickets } from '../drain/tickets.js'
import { parseSnapshot } from '../handover/session-snapshot.js'
import { admitSnapshot, admitUpgrade } from './admission.js'
import { Connection } from './connection.js'
import { ConnectionTable, type ConnectionLimits } from './connection-table.js'
import type { SessionContext } from './context.js'
import { LivePositions } from './live-positions.js'
import { LossLog } from './loss-log.js'
import type { SessionLimits } from './ops.js'
import { partitionsFor } from './partitions.js'
import type { ClientSocket, SocketListener, UpgradeRequest } from './ports.js'

export interface SessionsOptions extends Omit<
  SessionContext,
  'connections' | 'outbox' | 'limits' | 'livePositions'
> {
  readonly limits: SessionLimits & ConnectionLimits
  /** null: sessions do not resume earlier ones (`drain.resume`). */
  readonly tickets: Tickets | null
  /** Returns the same details, with one object for equal parts of many tokens (`SubscriptionIndex.intern`). */
  readonly intern: (details: TokenDetails) => TokenDetails
  /** Runs a task after the present one: `process.nextTick`. */
  readonly defer: (task: () => void) => void
  /** Shared with the sockets, which bound by it what waits in them. */
  readonly frameBytes: FrameBytes
  /** For what all workers of the host say alike. */
  readonly hostLog: Pick<LineLog, 'warn'>
}

/** Listens to sockets that were turned away and only have to finish the closing handshake. */
const REJECTED: SocketListener = { text: () => undefined, binary: () => undefined, closed: () => undefined }

/** A mass 1011 is spread over this time, so that the clients do not all come back at once. */
const LOSS_SPREAD_MS = 1_000
const LOSS_STEP_MS = 50

/** The sessions of one worker: takes over upgraded sockets, and passes on what concerns many sessions. */
export class Sessions {
  readonly connections: ConnectionTable
  private readonly options: SessionsOptions
  private readonly context: SessionContext
  private readonly losses: LossLog
  private readonly ticketedClose: TicketedClose | null
  /** While the worker drains: its tokens, by their names in messages between workers. */
  private drainingTokens: Map<string, string> | null = null

  constructor(options: SessionsOptions) {
    const { clock, metrics, defer, tickets, frameBytes } = options
    this.options = options
    this.losses = new LossLog(clock, options.hostLog)
    this.connections = new ConnectionTable(options.limits, clock)
    const outbox = new Outbox({ defer, now: () => clock.now(), metrics, frameBytes })
    const livePositions = new LivePositions(options.bus, options.partitions)
    this.context = { ...options, connections: this.connections, outbox, livePositions }
    this.ticketedClose = tickets === null ? null : new TicketedClose({ tickets, clock, metrics })
  }

  /** Begins a session over a freshly upgraded socket, or closes the socket with the reason. */
  readonly connect = (socket: ClientSocket, request: UpgradeRequest): SocketListener => {
    const admission = admitUpgrade(request, this.context)
    if ('close' in admission) {
      this.options.metrics.rejected(admission.reason)
      this.options.sessionLog.refused(admission.reason)
      socket.close(admission.close)
      return REJECTED
    }
    const connection = new Connection(this.context, socket, admission, this.options.tickets)
    connection.open()
    return connection
  }

  /** Whether a session that another worker passes on can go on here. */
  canAccept(state: unknown): boolean {
    const snapshot = parseSnapshot(state)
    return snapshot !== null && admitSnapshot(snapshot, this.context)
  }

  /**
   * Goes on with a session that another worker has passed on. Closes the socket with 1012 when the state is not
   * understood; `canAccept` finds that before.
   */
  restore(socket: ClientSocket, state: unknown): SocketListener {
    const snapshot = parseSnapshot(state)
    if (snapshot === null) {
      socket.close(SERVICE_RESTART)
      return REJECTED
    }
    const { version, address, resume, past } = snapshot
    const details = this.options.intern(snapshot.details)
    const connection = new Connection(
      this.context,
      socket,
      { version, address, resume, token: details.token, ...(past === undefined ? {} : { past }) },
      // One that has started has its place; one that has not may be that of a client which comes back after a 1012.
      snapshot.positions === null ? this.options.tickets : null,
    )
    connection.restore({ ...snapshot, details })
    return connection
  }

  /** Yields the connections that are not closing. */
  *open(): Iterable<Connection> {
    for (const connection of this.connections.all()) if (!connection.ending) yield connection
  }

  /** Closes the sessions of a partition whose continuity can no longer be proven, with 1011, spread over a second; returns how many. */
  lost(partition: number, why: string): number {
    const affected: Connection[] = []
    for (const connection of this.open()) {
      const { owner } = connection
      if (owner === null || !partitionsFor(owner, this.context).includes(partition)) continue
      // At once: an event after the gap must not look like the one after the last.
      connection.feed.close()
      affected.push(connection)
    }
    this.losses.add(partition, why, affected.length)
    this.endPaced(affected, why)
    return affected.length
  }

  /**
   * Closes the sessions of one token with 1012, at once or soon; returns how many that are. `final`: they cannot wait
   * for the clients of others that ended before to be back.
   */
  readonly closeForRestart = (group: readonly Connection[], final: boolean): number => {
    return this.closeTogether(group, { final, announced: false })
  }

  /** Obeys the notices of other draining workers from now on. */
  beginDrain(): void {
    const { tickets } = this.options
    if (tickets === null) return
    this.drainingTokens = new Map()
    for (const [connection] of this.connections.tokenGroups())
      if (connection !== undefined)
        this.drainingTokens.set(tickets.tokenHash(connection.token), connection.token)
  }

  /**
   * Another worker closes the sessions of a token: if this one drains as well, it closes its own at the same place.
   * Returns how many sessions it closes because of that.
   */
  onDrainNotice(tokenHash: string): number {
    const token = this.drainingTokens?.get(tokenHash)
    if (token === undefined) return 0
    return this.closeTogether(this.connections.withToken(token), { final: false, announced: true })
  }

  /**
   * Ends the sessions that an `auth_session_deleted` names (C3.20, C6.5). The router has delivered `partition` up to
   * `offset`, where the event, or its copy in this partition, stands.
   */
  revoke(sessionUuid: string, partition: number, offset: Offset): void {
    this.connections.revoke(sessionUuid, partition, offset)
  }

  /** Writes to the log what still waits to be told. */
  close(): void {
    this.losses.close()
  }

  /** Ends sessions whose continuity is lost, a few at a time. */
  private endPaced(connections: readonly Connection[], why: string): void {
    const perStep = Math.ceil(connections.length / (LOSS_SPREAD_MS / LOSS_STEP_MS))
    const step = (from: number) => {
      const next = from + perStep
      for (const connection of connections.slice(from, next)) connection.lost(why)
      if (next < connections.length) this.options.clock.after(LOSS_STEP_MS, () => step(next))
    }
    step(0)
  }

  private closeTogether(group: readonly Connection[], options: LeaveOptions): number {
    const [first] = group
    if (first === undefined) return 0
    if (this.ticketedClose !== null) return this.ticketedClose.begin(first.token, group, options)
    let ended = 0
    for (const connection of group) {
      if (connection.ending) continue
      connection.end(SERVICE_RESTART)
      ended++
    }
    return ended
  }
}
