import type { Evidence } from './evidence.js'
import type { Session, Violation } from './history.js'

/** I1: what a session got has strictly rising places on the bus, in each partition. */
export function checkOrder(session: Session, evidence: Evidence): Violation[] {
  const violations: Violation[] = []
  const reached: number[] = []
  const seen = new Set<number>()
  for (const id of session.ids) {
    const event = evidence.at(id)
    if (event === undefined) continue // of a broker that lost it: secrecy.ts asks whether that may be
    const { partition } = event
    if (seen.has(id)) violations.push(violation(session, `got event ${id} twice`))
    else if (event.position < (reached[partition] ?? -1))
      violations.push(violation(session, `got event ${id} after later ones`))
    seen.add(id)
    reached[partition] = Math.max(event.position, reached[partition] ?? -1)
  }
  return violations
}

function violation({ name }: Session, what: string): Violation {
  return { invariant: 'I1', what: `${name} ${what}` }
}
