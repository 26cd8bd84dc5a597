import { EARLY_MS_MAX } from './completeness.js'
import type { Evidence } from './evidence.js'
import type { Session, Token, Violation } from './history.js'

const AUTHENTICATION_FAILED = 4002
const AUTHENTICATION_EXPIRED = 4003
const TRY_AGAIN_LATER = 1013
/** A session has its reply to `start` within this much, unless a fault is on. */
const START_MS_MAX = 10_000

/** I2, seen from the end: no session is ended, or kept waiting, by what it should not have noticed. */
export function checkEnding(session: Session, evidence: Evidence): Violation[] {
  const { name, end, phases } = session
  if (end === null || end.byClient) return checkStart(session, evidence)
  const { code, at } = end
  if (isDue(session, evidence)) return []
  if (evidence.timeline.excuses(code, at, session.host)) return []
  if (phases.length === 0 && code === TRY_AGAIN_LATER && evidence.timeline.troubled(at)) return []
  const when = phases.length === 0 ? 'before its start' : 'after its start'
  return [
    { invariant: 'I2', what: `${name} was closed with ${code} ${when}, with no fault that explains it` },
  ]
}

/** The session ended because a token of it had come to its end. */
function isDue({ end, phases, token, tokenAsked }: Session, { tokens }: Evidence): boolean {
  if (end === null) return false
  const held = tokens.get(phases.at(-1)?.token ?? token)
  const offered = tokens.get(tokenAsked?.token ?? token)
  if (end.code === AUTHENTICATION_EXPIRED) return [held, offered].some((each) => isOver(each, end.at))
  return end.code === AUTHENTICATION_FAILED && isOver(offered, end.at)
}

function isOver(token: Token | undefined, at: number): boolean {
  if (token === undefined) return false
  return token.expiresAt <= at + EARLY_MS_MAX || (token.deletedAt !== null && token.deletedAt <= at)
}

function checkStart(
  { name, startAskedAt, phases, end }: Session,
  { timeline, history }: Evidence,
): Violation[] {
  const until = end?.at ?? history.endedAt
  if (startAskedAt === null || phases.length > 0) return []
  if (until <= timeline.due(startAskedAt) + START_MS_MAX) return []
  return [{ invariant: 'I2', what: `${name} got no reply to start` }]
}
