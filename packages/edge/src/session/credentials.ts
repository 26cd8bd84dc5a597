import {
  identify,
  type Identity,
  type TokenDetails,
  type TokenId,
} from '@wazo-websocketd/shared/domain/identity'
import type { Connection } from './connection.js'
import type { SessionContext } from './context.js'

type CredentialsContext = Pick<SessionContext, 'connections' | 'watch' | 'masterTenant'>

/** A connection's token and who it makes the session; keeps roster and token watch up to date with both. */
export class Credentials {
  private readonly context: CredentialsContext
  private readonly connection: Connection
  private watched: { stop(): void } | null = null
  token: TokenId
  /** What wazo-auth has answered; null until then. */
  details: TokenDetails | null = null
  /** Null until wazo-auth has answered. */
  identity: Identity | null = null

  constructor(context: CredentialsContext, connection: Connection, token: TokenId) {
    this.context = context
    this.connection = connection
    this.token = token
  }

  /** A token was validated: it is the session's from now on, and is watched. May end the session. */
  adopt(details: TokenDetails): void {
    this.identify(details)
    const before = this.watched
    // The new watch first: if both are for the same token, it is followed without a break.
    const watched = this.context.watch.watch(details, this.connection)
    before?.stop()
    this.watched = watched
    // The watch may have ended the session before it returned.
    if (this.connection.ending) this.release()
  }

  /** What the token allows was found to have changed. Without a master tenant rights cannot be told. */
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
