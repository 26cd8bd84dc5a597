import {
  AUTHENTICATION_FAILED,
  SERVICE_RESTART,
  TRY_AGAIN_LATER,
  limitExceeded,
  type Close,
} from '@wazo-websocketd/shared/domain/close'
import {
  identify,
  parseTokenId,
  type TokenDetails,
  type TokenId,
} from '@wazo-websocketd/shared/domain/identity'
import type { Offset } from '@wazo-websocketd/shared/domain/position'
import type { Logger } from 'pino'
import { accept } from './accept.js'
import type { SessionLimits } from './ops.js'
import { Connection } from './connection.js'
import { TicketedClose, type LeaveOptions } from '../drain/ticketed-close.js'
import type { FrameBytes } from '../deliver/frame.js'
import { PacedLoss } from './paced-loss.js'
import { Outbox } from '../deliver/outbox.js'
import { partitionsFor } from './partitions.js'
import { parseSnapshot, type SessionSnapshot } from '../handover/session-snapshot.js'
import type { ClientSocket, RejectReason, SocketListener, UpgradeRequest } from './ports.js'
import { ConnectionTable, type ConnectionLimits, type TrackedConnection } from './connection-table.js'
import type { SessionContext } from './context.js'

export interface SessionsOptions extends Omit<SessionContext, 'connections' | 'outbox' | 'limits'> {
  readonly limits: SessionLimits & ConnectionLimits
  /** What keeps the worker from serving; empty when it can (`/readyz`). */
  readonly notReadyReasons: () => readonly string[]
  /** The same, with what stands for equal parts of the tokens of many sessions (`Registry.share`). */
  readonly intern: (details: TokenDetails) => TokenDetails
  /** Runs a task after the present one: `process.nextTick`. */
  readonly defer: (task: () => void) => void
  /** Shared with the sockets, which bound what waits in them by it. */
  readonly frameBytes: FrameBytes
  readonly log: Pick<Logger, 'debug' | 'warn'>
}

type Admission =
  { readonly connection: Connection } | { readonly close: Close; readonly reason: RejectReason }

/** A listener for sockets that were turned away and only have to finish the closing handshake. */
const REJECTED: SocketListener = { text: () => undefined, binary: () => undefined, closed: () => undefined }

/** The sessions of one worker: takes over upgraded sockets, and tells sessions what befalls many of them. */
export class Sessions {
  readonly connections: ConnectionTable
  private readonly options: SessionsOptions
  private readonly context: SessionContext
  private readonly losses: PacedLoss
  private readonly ticketedClose: TicketedClose | null
  /** While it drains: tokens by the names under which other workers speak of them. */
  private drainingTokens: Map<string, string> | null = null

  constructor(options: SessionsOptions) {
    const { clock, metrics, defer, tickets, frameBytes } = options
    this.options = options
    this.connections = new ConnectionTable(options.limits, clock)
    const outbox = new Outbox({ defer, now: () => clock.now(), metrics, frameBytes })
    this.context = { ...options, connections: this.connections, outbox }
    this.losses = new PacedLoss(clock)
    this.ticketedClose = tickets === null ? null : new TicketedClose({ tickets, clock, metrics })
  }

  /** Takes over a freshly upgraded socket: a session begins, or the socket is closed with the reason. */
  readonly connect = (socket: ClientSocket, request: UpgradeRequest): SocketListener => {
    const admission = this.admit(socket, request)
    if ('connection' in admission) {
      admission.connection.open()
      return admission.connection
    }
    this.options.metrics.rejected(admission.reason)
    socket.close(admission.close)
    return REJECTED
  }

  /** Whether a session that another worker passes on could go on here. */
  canAccept(state: unknown): boolean {
    const { notReadyReasons, masterTenant } = this.options
    const master = masterTenant()
    if (notReadyReasons().length > 0 || master === undefined || this.connections.workerIsFull()) return false
    const snapshot = parseSnapshot(state)
    return snapshot !== null && this.positionsMatch(snapshot, master)
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
    const connection = new Connection(this.context, socket, {
      version,
      address,
      token: details.token,
      snapshot,
    })
    connection.restore({ ...snapshot, details })
    return connection
  }

  /** The connections that are not closing. */
  *open(): Iterable<Connection> {
    for (const member of this.connections.all())
      if (member instanceof Connection && !member.ending) yield member
  }

  /** The bus cannot prove continuity of a partition any more: 1011 to its sessions, spread over a second. */
  lost(partition: number, why: string): void {
    const concerned: Connection[] = []
    for (const member of this.connections.all()) {
      const { owner } = member
      if (!(member instanceof Connection) || owner === null || member.ending) continue
      if (!partitionsFor(member.identity, this.context).includes(partition)) continue
      // At once: an event after the gap must not look like the one after the last.
      member.closeFeed()
      concerned.push(member)
    }
    this.options.log.warn({ partition, why, sessions: concerned.length }, 'continuity of events lost')
    this.losses.add(concerned)
  }

  /**
   * Lets the sessions of one token go, with 1012; returns how many that are. `lastCall`: none of them can wait for
   * others that left before to be back.
   */
  readonly closeForRestart = (group: readonly TrackedConnection[], final: boolean): number => {
    return this.leaveTogether(group, { final, announced: false })
  }

  /** A drain begins: what other workers call is heard from now on. */
  beginDrain(): void {
    const { tickets } = this.options
    if (tickets === null) return
    this.drainingTokens = new Map()
    for (const [member] of this.connections.tokens())
      if (member !== undefined)
        this.drainingTokens.set(tickets.tokenHash(member.token as TokenId), member.token)
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

  /**
   * Whether the numbers that it has been served up to are those in force here. After a change of `redis.url`,
   * `redis.prefix`, `redis.partitions` or `bus.access_scope` they may be others: then it ends where it is, with 1012
   * and paced, rather than here with 1011 and all at once.
   */
  private positionsMatch({ details, positions }: SessionSnapshot, master: string): boolean {
    if (positions === null) return true
    const { bus } = this.context
    return partitionsFor(identify(details, master), this.context).every((partition) => {
      const from = positions.get(partition)
      // All partitions are of one epoch; where this worker has not been yet, the one that it always follows tells.
      const here = bus.cursor(partition) ?? bus.cursor(0)
      return from !== undefined && (here === null || here.epoch === from.epoch)
    })
  }

  private leaveTogether(group: readonly TrackedConnection[], manner: LeaveOptions): number {
    const connections = group.filter((member) => member instanceof Connection)
    const [first] = connections
    if (first === undefined) return 0
    if (this.ticketedClose !== null) return this.ticketedClose.begin(first.token, connections, manner)
    let ended = 0
    for (const connection of connections) {
      if (connection.ending) continue
      connection.end(SERVICE_RESTART)
      ended++
    }
    return ended
  }

  /** The checks of an upgrade, in the order of contract, section 1. */
  private admit(socket: ClientSocket, request: UpgradeRequest): Admission {
    const accepted = accept(request)
    if ('close' in accepted) return accepted
    const { version, token: raw } = accepted
    const { address } = request
    if (this.options.notReadyReasons().length > 0 || this.options.masterTenant() === undefined)
      return { close: TRY_AGAIN_LATER, reason: 'not-ready' }
    if (this.connections.workerIsFull()) return { close: TRY_AGAIN_LATER, reason: 'worker-full' }
    if (this.connections.tokenIsFull(raw))
      return { close: limitExceeded('too many connections per token'), reason: 'token-limit' }
    if (this.connections.addressIsFull(address))
      return { close: limitExceeded('too many connections per address'), reason: 'ip-limit' }
    const token = parseTokenId(raw)
    if (token === null) return { close: AUTHENTICATION_FAILED, reason: 'token-format' }
    return { connection: new Connection(this.context, socket, { version, token, address }) }
  }
}
