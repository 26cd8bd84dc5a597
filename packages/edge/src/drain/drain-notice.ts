/** What a draining worker tells the others: whose sessions it lets go. Pure. */

const DRAIN_NOTICE = /^[0-9a-f]{64}$/

/** `tag`: the name under which workers speak of the token. */
export function encodeDrainNotice(tag: string): string {
  return tag
}

/** The tag in a call, or null: a later version may say more than this one understands. */
export function decodeDrainNotice(message: string): string | null {
  return DRAIN_NOTICE.test(message) ? message : null
}
