/** What a draining worker tells the others: whose sessions it lets go. Pure. */

const CALL = /^[0-9a-f]{64}$/

/** `tag`: the name under which workers speak of the token. */
export function encodeCall(tag: string): string {
  return tag
}

/** The tag in a call, or null: a later version may say more than this one understands. */
export function decodeCall(message: string): string | null {
  return CALL.test(message) ? message : null
}
