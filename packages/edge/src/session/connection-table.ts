import type { Offset } from '@wazo-websocketd/shared/domain/position'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import type { Connection } from './connection.js'
import { MultiMap } from './multi-map.js'
import { Revocations } from './revocations.js'

/** Limits of a worker's connections; null: no limit. */
export interface ConnectionLimits {
  readonly connectionsPerWorker: number
  readonly connectionsPerToken: number
  readonly connectionsPerUser: number | null
  readonly connectionsPerIp: number | null
}

/** Holds all accepted connections of the worker, also those that have not started, until their socket is gone. */
export class ConnectionTable {
  private readonly limits: ConnectionLimits
  private readonly byToken = new MultiMap<Connection>()
  private readonly byAddress = new MultiMap<Connection>()
  private readonly byUser = new MultiMap<Connection>()
  private readonly bySession = new MultiMap<Connection>()
  private readonly revocations: Revocations

  constructor(limits: ConnectionLimits, clock: Clock) {
    this.limits = limits
    this.revocations = new Revocations(clock)
  }

  get size(): number {
    return this.byToken.size
  }

  /** Yields every connection; connections may come and go meanwhile. */
  *all(): Iterable<Connection> {
    for (const group of this.byToken.each()) yield* group
  }

  /** Yields the connections, those with the same token together. */
  tokenGroups(): Iterable<readonly Connection[]> {
    return this.byToken.each()
  }

  /** The connections of one token. */
  withToken(token: string): readonly Connection[] {
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

  /** Adds a connection under its present token and owner, which change only between `remove` and `add`. */
  add(connection: Connection): void {
    this.byToken.add(connection.token, connection)
    if (this.limits.connectionsPerIp !== null) this.byAddress.add(connection.address, connection)
    const { owner } = connection
    if (owner === null) return
    this.bySession.add(owner.sessionUuid, connection)
    if (this.limits.connectionsPerUser !== null) this.byUser.add(owner.userUuid, connection)
  }

  remove(connection: Connection): void {
    this.byToken.remove(connection.token, connection)
    this.byAddress.remove(connection.address, connection)
    const { owner } = connection
    if (owner === null) return
    this.bySession.remove(owner.sessionUuid, connection)
    this.byUser.remove(owner.userUuid, connection)
  }

  /**
   * Ends the sessions of a deleted token (4003), once `partition` has been delivered up to `offset`; in each
   * partition.
   */
  revoke(sessionUuid: string, partition: number, offset: Offset): void {
    this.revocations.add(sessionUuid)
    for (const connection of this.bySession.get(sessionUuid)) connection.revoked(partition, offset)
  }

  /** Whether the token of this session was deleted within the last minute: no verdict revives it. */
  isRevoked(sessionUuid: string): boolean {
    return this.revocations.has(sessionUuid)
  }
}
