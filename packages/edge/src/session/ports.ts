/** What a session needs of the outside world. Nothing here knows of sockets, Redis or HTTP. */
import type { Close } from '@wazo-websocketd/shared/domain/close'
import type { TokenDetails, TokenId, Verdict } from '@wazo-websocketd/shared/domain/identity'

/** The client's end, whatever carries it. */
export interface ClientSocket {
  /** Sends one text message. */
  sendText(text: string): void
  /** Writes complete WebSocket frames as they are, in one piece. */
  sendFrames(frames: readonly Uint8Array[]): void
  /** Starts the closing handshake; idempotent. */
  close(close: Close): void
  /** Stops and resumes reading from the client. */
  pause(): void
  resume(): void
}

/** Asks wazo-auth what a token may do. Never rejects. */
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
  ended(source: ExpirySource): void
  renewed(details: TokenDetails): void
}
