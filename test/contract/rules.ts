/**
 * The rules of the wire contract, numbered. A client author, or the author of another server, can read
 * them alone; every rule has at least one black-box test whose title begins with its number, and
 * `about-rules.test.ts` fails when one has not.
 */
export const RULES = {
  // 1. Connecting
  'C1.1': 'A WebSocket upgrade is accepted on any path.',
  'C1.2': 'The query parameter `token` carries the wazo-auth token.',
  'C1.3': 'The query parameter `version` is `1` or `2`; absent or empty means `1`.',
  'C1.4': 'Of several `token` or `version` parameters the first that is not empty counts.',
  'C1.5': 'Unknown query parameters are ignored.',
  'C1.6': 'Without a token in the query the header `X-Auth-Token`, in any case, is used.',
  'C1.7': 'A token in the query wins over one in the header.',
  'C1.8': 'A rejection is a close frame after a completed upgrade, so that browsers can read its code.',
  'C1.9': 'The upgrade is answered at once, before wazo-auth has answered.',
  'C1.10': 'Messages sent before `init` are handled after it, in order.',
  'C1.11':
    'When origins are restricted, another Origin is refused before the upgrade with HTTP 403; no Origin always passes.',
  'C1.12': 'Without a restriction every Origin is accepted.',
  'C1.13': 'The version is checked before the presence of a token.',
  'C1.14': 'The presence of a token is checked before the readiness of the server.',
  'C1.15': 'A server that is not ready answers 1013 without asking wazo-auth.',

  // 2. Close codes
  'C2.1': '4001 `no token`: neither query nor header carries a token.',
  'C2.2': '4002 `authentication failed`: the token is unknown, expired, or lacks the `websocketd` ACL.',
  'C2.3': '4002 `authentication failed`: the token of an op `token` is bad.',
  'C2.4': '4003 `authentication expired`: the token of the session expired, no more than 2 s ago.',
  'C2.5': '4003 `authentication expired`: the token of the session was deleted.',
  'C2.6': '4003 `authentication expired`: a re-check with wazo-auth failed.',
  'C2.7':
    '4004: a frame that is not understood: binary, not JSON, not an object, a missing or wrong `op`, `data` or argument.',
  'C2.8': '4004: an unsupported or non-numeric `version`.',
  'C2.9': '1001 `going away`: the shutdown is cut short by a second SIGTERM.',
  'C2.10': '1008 with the name of the limit: the client exceeds a limit of its own.',
  'C2.11': '1009: a message above the size limit; 1008 or 1009: one in too many fragments.',
  'C2.12': '1011 `bus connection lost`: events may have been missed.',
  'C2.13': '1012 `service restart`: the server is shut down or replaced.',
  'C2.14': '1013 `try again later`: wazo-auth is unreachable, slow, failing or talks nonsense.',
  'C2.15': '1013 `try again later`: the server is full.',
  'C2.16': '1013 `slow consumer`: the client does not read what it is sent.',
  'C2.17': 'A client too fast with its ops is slowed down, not closed.',
  'C2.18': 'wazo-auth being down is never 4002 or 4003.',
  'C2.19': 'An expired token is 4003 even while wazo-auth is down.',
  'C2.20': 'A reason is at most 123 bytes of valid UTF-8.',
  'C2.21': 'A malformed WebSocket frame ends its own connection with 1002 or 1007 and nothing else.',

  // 3. Messages
  'C3.1':
    'Server messages before `start`, and control messages in version 2, carry exactly `op`, `code` and `data`.',
  'C3.2': 'The first message is `init` with the version.',
  'C3.3': '`subscribe` is answered with `subscribe`.',
  'C3.4':
    'Version 1 answers `subscribe` only before `start`, version 2 always; a subscription after `start` counts in both.',
  'C3.5': '`start` is answered with `start`; in version 1 only the first time.',
  'C3.6': '`ping` is answered with `pong` and the same payload, in both versions, before and after `start`.',
  'C3.7': 'The event name `*` subscribes to every event.',
  'C3.8':
    'Op `token` with a good token replaces identity and rights at once; version 1 answers it only before `start`.',
  'C3.9': 'Until the verdict on a new token the old one counts.',
  'C3.10': 'A deletion of the old token while a new one is being checked waits for the verdict.',
  'C3.11': 'No verdict on a new token in time is 1013.',
  'C3.12': 'After `start` version 1 sends each event as the raw body of the bus message.',
  'C3.13': 'After `start` version 2 sends `{"op":"event","code":0,"data":<the raw body>}`.',
  'C3.14':
    'Bodies are never re-serialised: numbers, key order, escapes and white space survive byte for byte.',
  'C3.15': 'Events before `start` are dropped, not kept, but for those that C3.22 names.',
  'C3.16':
    'An event published after the replies to `subscribe` and `start` arrives, also the first of its tenant.',
  'C3.17': 'A session subscribed to a name and to `*`, or twice to a name, gets each event once.',
  'C3.18': 'A session gets events in the order of the bus.',
  'C3.19': '`auth_*` events reach sessions by the same rules as all others.',
  'C3.20': '`auth_session_deleted` is delivered where rights allow; then the sessions it names are closed.',
  'C3.21':
    'Ops are handled in the order sent; none overtakes another, not even a `token` op that has to wait.',
  'C3.22':
    'After a 1012 the next session of the token gets, right after its `start` reply, what it missed, in order and once.',

  // 4. Which session gets which event
  'C4.1': 'Only events whose name equals a subscription are delivered.',
  'C4.2': 'Only events of this Wazo (`origin_uuid`) are delivered.',
  'C4.3': 'A server without a uuid of its own does not look at `origin_uuid`.',
  'C4.4': 'A session sees only events of its own tenant; one of the master tenant sees those of all.',
  'C4.5':
    'A session sees events for its user (`user_uuid:<uuid>`) or for every user (`user_uuid:*`) of the tenant.',
  'C4.6':
    'A session whose token is `admin`, `internal` or `external_api` sees the events of every user of its tenant.',
  'C4.7': 'An event without a tenant is seen only by sessions of the master tenant.',
  'C4.8': 'An event without `required_acl` reaches nobody.',
  'C4.9': 'An event whose `required_acl` is null reaches everybody who passes the other rules.',
  'C4.10':
    'An event whose `required_acl` is a string reaches those whose ACL matches it, administrators included.',
  'C4.11': 'An event whose `required_acl` is of another type reaches nobody.',
  'C4.12':
    '`name`, `origin_uuid`, `tenant_uuid`, `required_acl` and `user_uuid:*` are read from the headers, and from the body where the headers lack them.',
  'C4.13': 'A `user_uuid:` header counts only when it is true.',
  'C4.14': 'Events published on the topic exchange `xivo` are delivered too.',
  'C4.15': 'An event that reaches both exchanges arrives once.',
  'C4.16': 'With the legacy exchange switched off, events of `xivo` are not delivered.',
  'C4.17': 'On a Wazo without tenants (`access_scope: acl`) only name, origin and ACL are judged.',
  'C4.18': 'A message that is no event is dropped and disturbs nobody.',
  'C4.19': 'A body up to 1 MiB is delivered; a larger one is dropped.',
  'C4.20': 'Until the server knows the master tenant it is not ready (1013).',
  'C4.21': 'A body with NaN, Infinity or -Infinity, as Python writes them, is delivered byte for byte.',

  // 5. ACL matching
  'C5.1': '`*` matches any run of characters without `.` and `#`: also none, also inside a word.',
  'C5.2': '`#` matches anything.',
  'C5.3': 'A word `me` also matches the uuid of the user.',
  'C5.4': 'A word `my_session` also matches the uuid of the session.',
  'C5.5': 'A word `edit` also matches `update`.',
  'C5.6': '`me`, `my_session` and `edit` still match themselves, and are special only as whole words.',
  'C5.7': 'A pattern beginning with `!` denies, whatever others allow.',
  'C5.8': 'What no pattern allows is denied.',
  'C5.9': 'A pattern matches the whole string, in its case; other characters stand for themselves.',
  'C5.10': 'Matching takes time linear in pattern and string.',

  // 6. wazo-auth
  'C6.1': 'wazo-auth is asked for the token with the scope `websocketd`.',
  'C6.2': 'A token cannot alter the request to wazo-auth: it is escaped, or refused.',
  'C6.3':
    'What cannot be a token (`.`, `..`, other than 1 to 128 of `A-Za-z0-9._-`) is 4002 without asking wazo-auth.',
  'C6.4':
    '`utc_expires_at` means UTC whatever the zone of the server, with `T` or a space between date and time.',
  'C6.5':
    '`auth_session_deleted` ends the sessions with the `session_uuid` in its `data.uuid`, and no others.',
  'C6.6': 'An answer of wazo-auth without the metadata that rights depend on accepts nobody.',
  'C6.7':
    'Where nobody answers at the address of wazo-auth, a client has its 1013 within 2 s; a slow wazo-auth is waited for longer.',
  'C6.8':
    'A worker asks no more often than once a second about a token that wazo-auth has refused or has not answered about.',
  'C6.9':
    'Behind a trusted proxy, a client address too many of whose tokens wazo-auth has refused has 1013 for a while, and others are not concerned.',

  // 7. Positions
  'C7.1':
    'Only a session of version 2 with the query parameter `resume` has positions; no other sees a difference in any byte.',
  'C7.2': '`resume` is empty, or a position; of several the first that is not empty counts.',
  'C7.3': 'The `init` of a session with positions tells for how many seconds they reach back.',
  'C7.4':
    'Its `start` reply tells whether it is resumed, its position, and if it is not, why: `none`, `too old`, `other epoch` or `unknown`.',
  'C7.5':
    'Each of its events carries the position behind it, printable ASCII without blanks, of at most 64 characters with one partition.',
  'C7.6':
    'A session that presents a position gets, right after its `start` reply, what came after it, in order and once, then what is live.',
  'C7.7': 'Rights and subscriptions are those of the session that presents the position, which gives none.',
  'C7.8': 'A position that is not understood, unknown, too old or of another numbering refuses nobody.',
  'C7.9': 'A position holds after any end of its session, at any worker, and across renewals of the token.',
  'C7.10': 'A position wins over what C3.22 would give.',
  'C7.11':
    'Another `start` of a session with positions is answered with where it is by then, whether or not events were for it.',
} as const

/** The number of a rule. */
export type Rule = keyof typeof RULES
