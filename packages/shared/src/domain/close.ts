/** The catalogue of close codes: every reason for which the server ends a session (C2). */

/** One way for a session to end. */
export interface Close {
  readonly code: number
  /** At most 123 bytes of UTF-8. */
  readonly reason: string
  /** Whether a client does well to connect again with the same token. */
  readonly comeBack: boolean
  /** What has led to it, for the log; the client is not told. */
  readonly cause?: string
}

const REASON_BYTES_MAX = 123
const encoder = new TextEncoder()

function defineClose(code: number, reason: string, comeBack: boolean): Close {
  return Object.freeze({ code, reason, comeBack })
}

/** No token in query or header. */
export const NO_TOKEN = defineClose(4001, 'no token', false)
/** wazo-auth says that the token is unknown, expired or lacks the `websocketd` ACL. The Wazo SDK logs out. */
export const AUTHENTICATION_FAILED = defineClose(4002, 'authentication failed', false)
/** The session's token expired, was deleted, or failed a re-check. */
export const AUTHENTICATION_EXPIRED = defineClose(4003, 'authentication expired', false)
/** What is left at the drain's deadline, or at a second SIGTERM. */
export const GOING_AWAY = defineClose(1001, 'going away', true)
/** Continuity of events can no longer be proven. */
export const BUS_CONNECTION_LOST = defineClose(1011, 'bus connection lost', true)
/** Drain: SIGTERM or SIGHUP. */
export const SERVICE_RESTART = defineClose(1012, 'service restart', true)
/** wazo-auth unreachable, slow or failing; server not ready; worker full. */
export const TRY_AGAIN_LATER = defineClose(1013, 'try again later', true)
/** The client does not read what it is sent. */
export const SLOW_CONSUMER = defineClose(1013, 'slow consumer', true)

/** A frame that the server does not understand; `fault` says briefly what is wrong with it. */
export function protocolError(fault: string): Close {
  return defineClose(4004, truncate(fault), false)
}

/** A client exceeds a limit of its own; `limit` names it. */
export function limitExceeded(limit: string): Close {
  return defineClose(1008, truncate(limit), false)
}

/** The same close, with what has led to it. */
export function because(close: Close, cause: string): Close {
  return { ...close, cause }
}

/** The longest prefix of `reason` that fits into a close frame without cutting a character. */
function truncate(reason: string): string {
  if (encoder.encode(reason).length <= REASON_BYTES_MAX) return reason
  let kept = ''
  let bytes = 0
  for (const character of reason) {
    bytes += encoder.encode(character).length
    if (bytes > REASON_BYTES_MAX) break
    kept += character
  }
  return kept
}
