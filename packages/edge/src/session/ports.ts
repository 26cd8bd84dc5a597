/** What a session needs of the outside world. Nothing here knows of sockets, Redis or HTTP. */
import type { Close } from '@wazo-websocketd/shared/domain/close'
import type { BusEvent } from '@wazo-websocketd/shared/domain/event'
import type { TokenDetails, TokenId, Verdict } from '@wazo-websocketd/shared/domain/identity'
import type { Recipient } from '../route/recipient.js'
import type { ExpirySource } from './metrics.js'

export type { ExpirySource }

/** The client's end. */
export interface ClientSocket {
  /** Writes complete WebSocket frames as they are, in one piece; nothing once the socket is closing. */
  sendFrames(frames: readonly Uint8Array[]): void
  /** What was written and the client's side has not taken yet. */
  readonly bufferedBytes: number
  /** Whether all clients of this worker together take so much memory that none should be given what can wait. */
  readonly nearlyFull: boolean
  /** Monotonic milliseconds of the last answer to a ping; null: none has come yet. */
  readonly lastPongAt: number | null
  /** Starts the closing handshake; idempotent. */
  close(close: Close): void
  /** Stops reading from the client; idempotent. */
  pause(): void
  /** Reads on; idempotent. */
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

/** For whom wazo-auth is asked: an open session comes before a client that is not let in yet. */
export type LookupPriority = 'session' | 'connect'

/** A look-up of a token at wazo-auth, for the one who asked for it. */
export interface TokenLookup {
  /** Never rejects; comes within the deadline of look-ups. */
  readonly answer: Promise<Verdict>
  /** Nobody waits for the answer any more: unless wazo-auth has been asked already, it is not. Idempotent. */
  withdraw(): void
}

/** Asks wazo-auth what a token may do. */
export interface Authenticator {
  /** @param address the client's */
  lookup(token: TokenId, priority: LookupPriority, address: string): TokenLookup
}

/** Follows live tokens: re-checks them by the configured rule and reports their end. */
export interface TokenWatch {
  /**
   * Calls `ended` at most once, when the token expired or failed a re-check; `renewed` when a re-check changed its
   * rights.
   */
  watch(details: TokenDetails, holder: TokenHolder): { stop(): void }
}

/** A session, as far as the watch of its token goes. */
export interface TokenHolder {
  /**
   * The token has ended. `why` distinguishes the end of its life (the default) from a re-check that found it gone
   * before its time: the latter waits for a token renewal that is under way.
   */
  ended(source: ExpirySource, why?: 'expired' | 'refused'): void
  /** The token's rights, or its expiry, have changed. */
  renewed(details: TokenDetails): void
}

/** The index of started sessions that are up to date with the worker's cursor. */
export interface SessionIndex {
  /** Indexes the recipient under its present identity and subscriptions. */
  add(recipient: Recipient): void
  /** Takes the recipient out of the index; ignored when it is not in it. */
  remove(recipient: Recipient): void
  has(recipient: Recipient): boolean
  /** The recipient's subscription to `name` has just begun or ended; ignored when it is not in the index. */
  subscriptionChanged(recipient: Recipient, name: string): void
  /** The recipient's identity has just been replaced; ignored when it is not in the index. */
  identityReplaced(recipient: Recipient): void
}

/** Judges one event for one session that reads the log by itself. */
export interface Permission {
  /** Whether the recipient may see the event and subscribed to it (C4.1, C4.4 to C4.11). */
  permits(recipient: Recipient, event: BusEvent): boolean
}
