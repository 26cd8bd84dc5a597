import { BUS_CONNECTION_LOST, SERVICE_RESTART } from '@wazo-websocketd/shared/domain/close'
import type { Offset } from '@wazo-websocketd/shared/domain/position'
import type { TokenDetails } from '@wazo-websocketd/shared/domain/identity'
import type { Logger } from 'pino'
import { admitSnapshot, admitUpgrade } from './admission.js'
import type { SessionLimits } from './ops.js'
import { Connection } from './connection.js'
import { TicketedClose, type LeaveOptions } from '../drain/ticketed-close.js'
import type { Tickets } from '../drain/tickets.js'
import type { FrameBytes } from '../deliver/frame.js'
import { Outbox } from '../deliver/outbox.js'
import { partitionsFor } from './partitions.js'
import { parseSnapshot } from '../handover/session-snapshot.js'
import type { ClientSocket, SocketListener, UpgradeRequest } from './ports.js'
import { ConnectionTable, type ConnectionLimits } from './connection-table.js'
import type { SessionContext } from './context.js'

export interface SessionsOptions extends Omit<SessionContext, 'connections' | 'outbox' | 'limits'> {
  readonly limits: SessionLimits & ConnectionLimits
  /** null: sessions do not resume (`drain.resume`). */
  readonly tickets: Tickets | null
  /** The same, with what stands for equal parts of the tokens of many sessions (`Registry.share`). */
  readonly intern: (details: TokenDetails) => TokenDetails
  /** Runs a task after the present one: `process.nextTick`. */
  readonly defer: (task: () => void) => void
  /** Shared with the sockets, which bound what waits in them by it. */
  readonly frameBytes: FrameBytes
  readonly log: Pick<Logger, 'debug' | 'warn'>
}

/** A listener for sockets that were turned away and only have to finish the closing handshake. */
const REJECTED: SocketListener = { text: () => undefined, binary: () => undefined, closed: () => undefined }

/** A mass 1011 is spread over this time, so that the clients do not all come back at once. */
const LOSS_SPREAD_MS = 1_000
const LOSS_STEP_MS = 50

/** The sessions of one worker: takes over upgraded sockets, and tells sessions what befalls many of them. */
export class Sessions {
  readonly connections: ConnectionTable
  private readonly options: SessionsOptions
  private readonly context: SessionContext
  private readonly ticketedClose: TicketedClose | null
  /** While it drains: tokens by the names under which other workers speak of them. */
  private drainingTokens: Map<string, string> | null = null

  constructor(options: SessionsOptions) {
    const { clock, metrics, defer, tickets, frameBytes } = options
    this.options = options
    this.connections = new ConnectionTable(options.limits, clock)
    const outbox = new Outbox({ defer, now: () => clock.now(), metrics, frameBytes })
    this.context = { ...options, connections: this.connections, outbox }
    this.ticketedClose = tickets === null ? null : new TicketedClose({ tickets, clock, metrics })
  }

  /** Takes over a freshly upgraded socket: a session begins, or the socket is closed with the reason. */
  readonly connect = (socket: ClientSocket, request: UpgradeRequest): SocketListener => {
    const admission = admitUpgrade(request, this.context)
    if ('close' in admission) {
      this.options.metrics.rejected(admission.reason)
      socket.close(admission.close)
      return REJECTED
    }
    const connection = new Connection(this.context, socket, admission, this.options.tickets)
    connection.open()
    return connection
  }

  /** Whether a session that another worker passes on could go on here. */
  canAccept(state: unknown): boolean {
    const snapshot = parseSnapshot(state)
    return snapshot !== null && admitSnapshot(snapshot, this.context)
  }

  /**
   * Goes on with a session that another worker has passed on. Nothing when its state is not understood, which
   * `welcomes` tells before: then the socket is closed with 1012.
   */
  restore(socket: ClientSocket, state: unknown): SocketListener {
    const snapshot = parseSnapshot(state)
    if (snapshot === null) {
      socket.close(SERVICE_RESTART)
      return REJECTED
    }
    const { version, address } = snapshot
    const details = this.options.intern(snapshot.details)
    // It has its place already, and redeems no ticket.
    const connection = new Connection(this.context, socket, { version, address, token: details.token }, null)
    connection.restore({ ...snapshot, details })
    return connection
  }

  /** The connections that are not closing. */
  *open(): Iterable<Connection> {
    for (const connection of this.connections.all()) if (!connection.ending) yield connection
  }

  /** The bus cannot prove continuity of a partition any more: 1011 to its sessions, spread over a second. */
  lost(partition: number, why: string): void {
    const concerned: Connection[] = []
    for (const connection of this.open()) {
      const { owner } = connection
      if (owner === null || !partitionsFor(owner, this.context).includes(partition)) continue
      // At once: an event after the gap must not look like the one after the last.
      connection.closeFeed()
      concerned.push(connection)
    }
    this.options.log.warn({ partition, why, sessions: concerned.length }, 'continuity of events lost')
    this.endPaced(concerned)
  }

  /**
   * Lets the sessions of one token go, with 1012; returns how many that are. `lastCall`: none of them can wait for
   * others that left before to be back.
   */
  readonly closeForRestart = (group: readonly Connection[], final: boolean): number => {
    return this.leaveTogether(group, { final, announced: false })
  }

  /** A drain begins: what other workers call is heard from now on. */
  beginDrain(): void {
    const { tickets } = this.options
    if (tickets === null) return
    this.drainingTokens = new Map()
    for (const [connection] of this.connections.tokens())
      if (connection !== undefined)
        this.drainingTokens.set(tickets.tokenHash(connection.token), connection.token)
  }

  /**
   * Another worker lets the sessions of a token go: if this one drains as well, theirs leave together. Returns how many
   * sessions go because of it.
   */
  drainNoticed(tag: string): number {
    const token = this.drainingTokens?.get(tag)
    if (token === undefined) return 0
    return this.leaveTogether(this.connections.withToken(token), { final: false, announced: true })
  }

  /** The router has delivered an `auth_session_deleted` of this offset, or what stands for it in this partition: its sessions end. */
  revoke(sessionUuid: string, partition: number, offset: Offset): void {
    this.connections.revoke(sessionUuid, partition, offset)
  }

  /** Ends sessions whose continuity is lost, a few at a time. */
  private endPaced(connections: readonly Connection[]): void {
    const perStep = Math.ceil(connections.length / (LOSS_SPREAD_MS / LOSS_STEP_MS))
    const step = (from: number) => {
      const next = from + perStep
      for (const connection of connections.slice(from, next)) connection.end(BUS_CONNECTION_LOST)
      if (next < connections.length) this.options.clock.after(LOSS_STEP_MS, () => step(next))
    }
    step(0)
  }

  private leaveTogether(group: readonly Connection[], manner: LeaveOptions): number {
    const [first] = group
    if (first === undefined) return 0
    if (this.ticketedClose !== null) return this.ticketedClose.begin(first.token, group, manner)
    let ended = 0
    for (const connection of group) {
      if (connection.ending) continue
      connection.end(SERVICE_RESTART)
      ended++
    }
    return ended
  }
}
