import type { Evidence } from './evidence.js'
import type { Session, Violation } from './history.js'
import { phaseOfDelivery } from './phases.js'

/** I4: nothing came that the session's rights forbid; and (I2) nothing before `start`, nor what was over by then. */
export function checkSecrecy(session: Session, evidence: Evidence): Violation[] {
  const violations: Violation[] = []
  const { name, ids, phases } = session
  const early = phases[0]?.from ?? ids.length
  // A resumed session begins where the one before it ended.
  const begunAt = evidence.predecessors.get(session)?.end?.at ?? phases[0]?.askedAt ?? -Infinity
  if (early > 0)
    violations.push({ invariant: 'I2', what: `${name} got ${early} events before start, first ${ids[0]!}` })
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i]!
    const event = evidence.published.get(id)
    if (event === undefined) {
      violations.push({ invariant: 'I4', what: `${name} got ${id}, which nobody published` })
      continue
    }
    const phase = phaseOfDelivery(phases, i)
    if (phase !== undefined && !evidence.rights.allows(phase, event.shape))
      violations.push({ invariant: 'I4', what: `${name} got event ${id}, which it may not see` })
    const placed = evidence.at(id)
    if (placed === undefined && !evidence.timeline.troubled(event.sentAt))
      violations.push({ invariant: 'I4', what: `${name} got event ${id}, which the bus never had` })
    if (placed !== undefined && placed.dueAt < begunAt)
      violations.push({
        invariant: 'I2',
        what: `${name} got event ${id}, which was over long before its start`,
      })
  }
  return violations
}
