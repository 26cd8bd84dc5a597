/** The close codes of the server (PROTOCOL.md), in words for the person who looks at the page. */

/** Codes after which connecting again with the same token makes sense, and the pause before the first try (ms). */
const COME_BACK_MS = new Map([
  [1001, 1000],
  [1006, 1000],
  [1011, 1000],
  [1012, 500],
  [1013, 2000],
])

/** Every code: its meaning, and what to do. */
export const CLOSE_CODES = [
  [1000, 'You disconnected.', 'Connect when you like.'],
  [1001, 'The server is going away.', 'The page connects again.'],
  [
    1002,
    'The server received a malformed WebSocket frame.',
    'Look at what stands between you and the server.',
  ],
  [
    1006,
    'The connection broke or could not be made: server down, wrong host, untrusted certificate, or an origin that is not allowed.',
    'The page tries again.',
  ],
  [1007, 'The server received text that is not UTF-8.', 'Look at what stands between you and the server.'],
  [
    1008,
    'A limit of yours was exceeded: subscriptions, connections, or the size of the ACL; the reason names it.',
    'Use less of it.',
  ],
  [1009, 'A message to the server was too big.', 'Send smaller ones.'],
  [
    1011,
    'The server cannot prove that no event was missed.',
    'The page connects again; reload what you know.',
  ],
  [1012, 'The service restarts.', 'The page connects again and misses nothing.'],
  [
    1013,
    'Try again later: wazo-auth does not answer, the server is not ready or full, or this page was too slow for its events.',
    'The page tries again.',
  ],
  [4001, 'No token was given.', 'Enter a token.'],
  [4002, 'The token is unknown, expired, or lacks the ACL “websocketd”.', 'Get another token.'],
  [4003, 'The token expired or was deleted.', 'Get another token.'],
  [4004, 'The server did not understand a message, or the version.', 'Look at the reason.'],
]

/** The meaning of `code`, in a sentence. */
export function meaningOf(code) {
  return CLOSE_CODES.find(([known]) => known === code)?.[1] ?? 'A code that this page does not know.'
}

/** Milliseconds before the first try to connect again after `code`, or null when trying again is of no use. */
export function comeBackAfterMs(code) {
  return COME_BACK_MS.get(code) ?? null
}
