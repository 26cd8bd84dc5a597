/** What the end of a session means to someone at a command line: an exit status, and whether to come back (PROTOCOL.md). */

export interface Ending {
  readonly code: number
  readonly meaning: string
  /** `again`: with the same token; `new token`: with another one; `never`: the answer would not change. */
  readonly comeBack: 'again' | 'new token' | 'never'
}

export const ENDINGS: readonly Ending[] = [
  { code: 1000, meaning: 'closed in order', comeBack: 'again' },
  { code: 1001, meaning: 'the server stops at once', comeBack: 'again' },
  { code: 1002, meaning: 'a malformed frame was received', comeBack: 'never' },
  { code: 1006, meaning: 'the connection broke or could not be made', comeBack: 'again' },
  { code: 1007, meaning: 'a text was received that is not UTF-8', comeBack: 'never' },
  { code: 1008, meaning: 'a limit is exceeded, which the reason names', comeBack: 'never' },
  { code: 1009, meaning: 'a message was too large', comeBack: 'never' },
  { code: 1011, meaning: 'events may have been missed', comeBack: 'again' },
  { code: 1012, meaning: 'the server is restarted or replaced', comeBack: 'again' },
  { code: 1013, meaning: 'not ready, full, or this client was too slow', comeBack: 'again' },
  { code: 4001, meaning: 'there is no token', comeBack: 'never' },
  { code: 4002, meaning: 'the token is unknown, expired or lacks the ACL websocketd', comeBack: 'new token' },
  { code: 4003, meaning: 'the token expired or was deleted', comeBack: 'new token' },
  { code: 4004, meaning: 'a message or the version was not understood', comeBack: 'never' },
]

const BY_CODE = new Map(ENDINGS.map((ending) => [ending.code, ending]))

/** What is known of `code`; one that is not known is taken for a lost connection. */
export function endingOf(code: number): Ending {
  return BY_CODE.get(code) ?? { code, meaning: 'a code that this program does not know', comeBack: 'again' }
}

/** Exit status of a program whose session ended with `code`: 10 + n for 1000 + n, 40 + n for 4000 + n, otherwise 1. */
export function statusOf(code: number): number {
  if (code >= 1000 && code < 1020) return code - 1000 + 10
  if (code >= 4000 && code < 4020) return code - 4000 + 40
  return 1
}

/** The table of the help text. */
export function statusTable(): string {
  return ENDINGS.map(({ code, meaning }) => `  ${statusOf(code)}  ${code}  ${meaning}`).join('\n')
}
