import type { Evidence } from './evidence.js'
import type { Phase, Session, Violation } from './history.js'

/** Contract: no session is open later than this after its token's expiry. */
const OVERSTAY_MS_MAX = 2000
/** From the server's close to the client's record of it, on a loaded machine. */
const NOTICE_MS_MAX = 1500

/** I5: nothing after the event that revoked the session's token, and no session that outlives its token. */
export function checkLifetime(session: Session, evidence: Evidence): Violation[] {
  return session.phases.flatMap((phase, k) => {
    const next = session.phases[k + 1]
    return [
      ...checkRevocation(session, phase, next, evidence),
      ...checkExpiry(session, phase, next, evidence),
    ]
  })
}

function checkRevocation(
  session: Session,
  phase: Phase,
  next: Phase | undefined,
  evidence: Evidence,
): Violation[] {
  const revocation = evidence.revocations.get(phase.token)
  if (revocation === undefined) return []
  const { name, ids } = session
  const after = ids
    .slice(phase.from, next?.from)
    .filter((id) => (evidence.at(id)?.position ?? -1) > revocation.position)
  const violations: Violation[] = []
  if (after.length > 0)
    violations.push({
      invariant: 'I5',
      what: `${name} got ${after.length} events after event ${revocation.id} revoked its token, first ${after[0]}`,
    })
  const until = next?.answeredAt ?? session.end?.at ?? evidence.history.endedAt
  if (until > revocation.dueAt && phase.answeredAt < revocation.sentAt)
    violations.push({
      invariant: 'I5',
      what: `${name} stayed open though event ${revocation.id} revoked its token`,
    })
  return violations
}

function checkExpiry(
  session: Session,
  phase: Phase,
  next: Phase | undefined,
  { tokens, history }: Evidence,
): Violation[] {
  const token = tokens.get(phase.token)
  // Until the verdict about a new token the old one's expiry holds.
  const until = next?.answeredAt ?? session.end?.at ?? history.endedAt
  const lateMs = until - (token?.expiresAt ?? Infinity)
  if (lateMs <= OVERSTAY_MS_MAX + NOTICE_MS_MAX) return []
  return [
    { invariant: 'I5', what: `${session.name} was open ${Math.round(lateMs)} ms after its token's expiry` },
  ]
}
