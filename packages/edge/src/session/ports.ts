/** What a session needs of the outside world. Nothing here knows of sockets, Redis or HTTP. */
import type { Close } from '@wazo-websocketd/shared/domain/close'
import type { BusEvent } from '@wazo-websocketd/shared/domain/event'
import type { TokenDetails, TokenId, Verdict } from '@wazo-websocketd/shared/domain/identity'
import type { ProtocolVersion } from '@wazo-websocketd/shared/domain/protocol'
import type { Positions } from '@wazo-websocketd/shared/domain/position'
import type { Recipient, Subscriptions } from '../route/recipient.js'

/** The client's end, whatever carries it. */
export interface ClientSocket {
  /** Writes complete WebSocket frames as they are, in one piece; nothing once the socket is closing. */
  sendFrames(frames: readonly Uint8Array[]): void
  /** What was written and the client's side has not taken yet. */
  readonly bufferedBytes: number
  /** What waits for all clients of this worker takes so much memory that none should be given what can wait. */
  readonly crowded: boolean
  /** Starts the closing handshake; idempotent. */
  close(close: Close): void
  /** Stops and resumes reading from the client; idempotent. */
  pause(): void
  resume(): void
}

/** What the client's end reports. All calls are synchronous and must not throw. */
export interface SocketListener {
  text(text: string): void
  binary(): void
  /** The socket is gone, or failed and is going; `code` is how it ended. Called once, nothing follows. */
  closed(code: number): void
}

/** The upgrade request, as far as a session cares. */
export interface UpgradeRequest {
  /** Path and query as they stood in the request line. */
  readonly url: string
  /** Value of the `X-Auth-Token` header. */
  readonly tokenHeader: string | undefined
  /** The client's address; behind a trusted proxy the one that the proxy reports. */
  readonly address: string
}

/** Takes over a freshly upgraded socket. */
export type ConnectionHandler = (socket: ClientSocket, request: UpgradeRequest) => SocketListener

/** Asks wazo-auth what a token may do. Never rejects; answers within its own deadline. */
export interface Authenticator {
  lookup(token: TokenId): Promise<Verdict>
}

/** Why a session's token ended, as `sessions_expired_total{source}` names it. */
export type ExpirySource = 'queue' | 'bus' | 'backstop'

/** Follows live tokens: re-checks them by the configured rule and reports their end. */
export interface TokenWatch {
  /** Calls `ended` at most once, when the token expired or failed a re-check; `renewed` when a re-check changed its rights. */
  watch(details: TokenDetails, holder: TokenHolder): { stop(): void }
}

export interface TokenHolder {
  /**
   * `why` tells the end of the token's life (the default) from a re-check that found it gone before its
   * time: the latter waits for a token renewal that is under way.
   */
  ended(source: ExpirySource, why?: 'expired' | 'refused'): void
  renewed(details: TokenDetails): void
}

/** The index of started sessions that are up to date with the worker's cursor. */
export interface SessionIndex {
  /** Indexes the recipient under its present identity and subscriptions. */
  add(recipient: Recipient): void
  remove(recipient: Recipient): void
  /** `name` has just joined the recipient's subscriptions. */
  nameAdded(recipient: Recipient, name: string): void
  /** The recipient's identity has just been replaced. */
  identityReplaced(recipient: Recipient): void
}

/** Judges one event for one session that reads the log by itself. */
export interface Permission {
  /** Whether the recipient may see the event and asked for it (contract, section 4). */
  permits(recipient: Recipient, event: BusEvent): boolean
}

/** What a session is recognised by when it comes back with the same token. */
export interface TicketHolder {
  readonly version: ProtocolVersion
  readonly subscriptions: Subscriptions
  readonly address: string
}

/** What a drained session is to leave: what lies above `positions` it has not been sent. */
export interface TicketDraft {
  readonly holder: TicketHolder
  readonly positions: Positions
  /** It could not be brought to where the token's other sessions leave. */
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

/** Where to leave, by ticket id; or to stay a while, because clients could not be told apart; or Redis did not answer. */
export type Agreement =
  | { readonly kind: 'leave'; readonly at: ReadonlyMap<string, Positions> }
  | { readonly kind: 'wait' }
  | { readonly kind: 'failed' }

/**
 * What drained sessions leave in the cluster, so that the token's next session goes on where they ended. Nothing here
 * rejects, and everything is answered within a few seconds whatever becomes of Redis.
 */
export interface Tickets {
  /** The name under which workers speak of a token. */
  tokenHash(token: TokenId): string
  /** Tells the other workers that the token's sessions leave here now; those that drain let theirs go too. */
  announce(token: TokenId): void
  /** Writes tickets that nobody can take yet; resolves with their ids, or null when that failed. */
  draft(token: TokenId, drafts: readonly TicketDraft[]): Promise<readonly string[] | null>
  /** Asks where the sessions of these drafts are to leave. `lastCall`: they cannot wait. With `wait` the drafts are gone. */
  agree(token: TokenId, ids: readonly string[], final: boolean): Promise<Agreement>
  /** From now on the tickets can be taken. False when it failed. */
  issue(token: TokenId, tickets: readonly IssuedTicket[]): Promise<boolean>
  /** The tickets' sessions ended otherwise. */
  withdraw(token: TokenId, ids: readonly string[]): void
  /** Takes the ticket that suits the session best; nobody else gets it. */
  take(token: TokenId, holder: TicketHolder): Promise<Ticket | null>
  /** The taker ended before it could make use of the ticket. */
  restore(token: TokenId, id: string): void
}

/**
 * What became of a session's place in the sequence, as `resume_tickets_total{result}` names it: `left` and `not-left` at
 * a drain; `resumed` at a start, and `outdated` when what the session missed cannot be read any more.
 */
export type TicketResult = 'left' | 'not-left' | 'resumed' | 'outdated'

/** The outcome of one op, as `ops_total{result}` names it. */
export type OpResult = 'ok' | 'refused'

/** What the session side counts. */
export interface SessionMetrics {
  /** A connection was accepted for authentication. */
  opened(version: ProtocolVersion): void
  /** An accepted connection is gone; `code` is how it ended. */
  closed(version: ProtocolVersion, code: number): void
  /** An accepted connection came from another worker of this host, or has gone to one. */
  moved(version: ProtocolVersion, where: 'here' | 'away'): void
  /** A connection was turned away before wazo-auth was asked. */
  rejected(reason: RejectReason): void
  /** Live subscriptions changed by `delta`. */
  subscriptions(delta: number): void
  /** `op` is one of the protocol's, or `unknown`. */
  op(op: string, result: OpResult): void
  /** One event went to `receivers` sockets, `latencyMs` after the ingest received it. Once per event and flush. */
  delivered(receivers: number, latencyMs: number): void
  expired(source: ExpirySource): void
  tickets(result: TicketResult, tickets: number): void
}

/** Why a connection was turned away, as `handshakes_rejected_total{reason}` names it. */
export type RejectReason =
  'version' | 'no-token' | 'not-ready' | 'worker-full' | 'token-limit' | 'ip-limit' | 'token-format'
