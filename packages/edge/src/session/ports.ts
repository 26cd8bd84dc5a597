/** What a session needs of the outside world. Nothing here knows of sockets, Redis or HTTP. */
import type { Close } from '@wazo-websocketd/shared/domain/close'
import type { BusEvent } from '@wazo-websocketd/shared/domain/event'
import type { TokenDetails, TokenId, Verdict } from '@wazo-websocketd/shared/domain/identity'
import type { Position } from '@wazo-websocketd/shared/domain/position'
import type { Recipient } from '../route/recipient.js'

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
  /** Takes the recipient out of every index; ignored when it is in none. */
  remove(recipient: Recipient): void
  has(recipient: Recipient): boolean
  /** The recipient's subscription to `name` has just begun or ended; ignored while the recipient is not indexed. */
  subscriptionChanged(recipient: Recipient, name: string): void
  /** The recipient's identity has just been replaced. */
  identityReplaced(recipient: Recipient): void
}

/** Judges one event for one session that reads the log by itself. */
export interface Permission {
  /** Whether the recipient may see the event and asked for it (contract, section 4). */
  permits(recipient: Recipient, event: BusEvent): boolean
}

/** Where a session stands, by partition. */
export type Positions = ReadonlyMap<number, Position>
