import {
  identify,
  type Identity,
  type TokenDetails,
  type TokenId,
} from '@wazo-websocketd/shared/domain/identity'
import type { Connection } from './connection.js'
import type { SessionContext } from './context.js'

type CredentialsContext = Pick<SessionContext, 'connections' | 'watch' | 'masterTenant'>

/**
 * Holds a connection's token and identity, and keeps the table of connections and the token watch up to date with
 * both.
 */
export class Credentials {
  private readonly context: CredentialsContext
  private readonly connection: Connection
  private watched: { stop(): void } | null = null
  token: TokenId
  /** wazo-auth's answer about the token; null until then. */
  details: TokenDetails | null = null
  /** Null until wazo-auth has answered. */
  identity: Identity | null = null

  constructor(context: CredentialsContext, connection: Connection, token: TokenId) {
    this.context = context
    this.connection = connection
    this.token = token
  }

  /** Makes a validated token the session's, and watches it. May end the session. */
  adopt(details: TokenDetails): void {
    this.identify(details)
    const before = this.watched
    // The new watch first: if both are for the same token, it is watched without a break.
    const watched = this.context.watch.watch(details, this.connection)
    before?.stop()
    this.watched = watched
    // The watch may have ended the session before it returned.
    if (this.connection.ending) this.release()
  }

  /**
   * Replaces the identity, also where only the token's rights or its expiry have changed. Without a master tenant rights cannot be
   * judged.
   */
  identify(details: TokenDetails): void {
    const master = this.context.masterTenant()
    if (master === undefined) return
    this.context.connections.remove(this.connection)
    this.token = details.token
    this.details = details
    this.identity = identify(details, master)
    this.context.connections.add(this.connection)
  }

  /** Stops watching; idempotent. */
  release(): void {
    this.watched?.stop()
    this.watched = null
  }
}
