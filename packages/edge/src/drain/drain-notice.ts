/** The message in which a draining worker names a token whose sessions it closes. Pure. */

const DRAIN_NOTICE = /^[0-9a-f]{64}$/

/** `tokenHash`: the token's name in messages between workers. */
export function encodeDrainNotice(tokenHash: string): string {
  return tokenHash
}

/** Returns the token's hash, or null: a later version may say more than this one understands. */
export function decodeDrainNotice(message: string): string | null {
  return DRAIN_NOTICE.test(message) ? message : null
}
