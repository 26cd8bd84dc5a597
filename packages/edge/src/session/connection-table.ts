import type { Close } from '@wazo-websocketd/shared/domain/close'
import type { Offset } from '@wazo-websocketd/shared/domain/position'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import { MultiMap } from './multi-map.js'
import { Revocations } from './revocations.js'

/** A connection, as the roster knows it. */
export interface TrackedConnection {
  /** Its token; like the owner it changes only between `leave` and `enter`. */
  readonly token: string
  readonly address: string
  /** Whose connection it is; null until wazo-auth has answered. */
  readonly owner: { readonly sessionUuid: string; readonly userUuid: string } | null
  /** Whether the connection is closing already. */
  readonly ending: boolean
  /** Its token was deleted at `offset`; of `partition` everything up to there has been delivered. */
  revoked(partition: number, offset: Offset): void
  end(close: Close): void
}

/** Connections of a worker; null: no limit. */
export interface ConnectionLimits {
  readonly connectionsPerWorker: number
  readonly connectionsPerToken: number
  readonly connectionsPerUser: number | null
  readonly connectionsPerIp: number | null
}

/** All accepted connections of the worker, also those that have not started, until their socket is gone. */
export class ConnectionTable {
  private readonly limits: ConnectionLimits
  private readonly byToken = new MultiMap<TrackedConnection>()
  private readonly byAddress = new MultiMap<TrackedConnection>()
  private readonly byUser = new MultiMap<TrackedConnection>()
  private readonly bySession = new MultiMap<TrackedConnection>()
  private readonly revocations: Revocations

  constructor(limits: ConnectionLimits, clock: Clock) {
    this.limits = limits
    this.revocations = new Revocations(clock)
  }

  get size(): number {
    return this.byToken.size
  }

  /** Every connection; connections may come and go while it is walked. */
  *all(): Iterable<TrackedConnection> {
    for (const group of this.byToken.each()) yield* group
  }

  /** The connections, those with the same token together. */
  tokens(): Iterable<readonly TrackedConnection[]> {
    return this.byToken.each()
  }

  /** The connections of one token. */
  withToken(token: string): readonly TrackedConnection[] {
    return this.byToken.get(token)
  }

  workerIsFull(): boolean {
    return this.size >= this.limits.connectionsPerWorker
  }

  tokenIsFull(token: string): boolean {
    return this.byToken.count(token) >= this.limits.connectionsPerToken
  }

  addressIsFull(address: string): boolean {
    const { connectionsPerIp } = this.limits
    return connectionsPerIp !== null && this.byAddress.count(address) >= connectionsPerIp
  }

  userIsFull(userUuid: string): boolean {
    const { connectionsPerUser } = this.limits
    return connectionsPerUser !== null && this.byUser.count(userUuid) >= connectionsPerUser
  }

  /** Adds a connection under its present token and owner. */
  add(member: TrackedConnection): void {
    this.byToken.add(member.token, member)
    if (this.limits.connectionsPerIp !== null) this.byAddress.add(member.address, member)
    const { owner } = member
    if (owner === null) return
    this.bySession.add(owner.sessionUuid, member)
    if (this.limits.connectionsPerUser !== null) this.byUser.add(owner.userUuid, member)
  }

  remove(member: TrackedConnection): void {
    this.byToken.remove(member.token, member)
    this.byAddress.remove(member.address, member)
    const { owner } = member
    if (owner === null) return
    this.bySession.remove(owner.sessionUuid, member)
    this.byUser.remove(owner.userUuid, member)
  }

  /** Ends the sessions of a deleted token (4003), once `partition` has been delivered up to `offset`; in each partition. */
  revoke(sessionUuid: string, partition: number, offset: Offset): void {
    this.revocations.add(sessionUuid)
    for (const member of this.bySession.get(sessionUuid)) member.revoked(partition, offset)
  }

  /** Whether the token of this session was deleted within the last minute: no verdict revives it. */
  isRevoked(sessionUuid: string): boolean {
    return this.revocations.has(sessionUuid)
  }
}
