/** The close codes of the server (PROTOCOL.md), in words for the person who looks at the page. */

/** Every code: its meaning, and what to do. */
export const CLOSE_CODES = [
  [1000, 'The connection was closed in order.', 'The page connects again.'],
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
  [4002, 'The token is unknown, expired, or lacks the ACL “websocketd”.', 'Put another token in.'],
  [4003, 'The token expired or was deleted.', 'Put a new token in: the page goes on where it was.'],
  [4004, 'The server did not understand a message, or the version.', 'Look at the reason.'],
]

/** The meaning of `code`, in a sentence. */
export function meaningOf(code) {
  return CLOSE_CODES.find(([known]) => known === code)?.[1] ?? 'A code that this page does not know.'
}
