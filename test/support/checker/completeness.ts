import type { Evidence, Placed } from './evidence.js'
import type { Phase, Session, Violation } from './history.js'
import { phasesOfGap } from './phases.js'

/** Clocks differ: a session may end this much before its token's expiry. */
export const EARLY_MS_MAX = 1500

/**
 * I2 and I3: a session got every event that it might see, up to its end. Events that may belong to either
 * side of a change (of token, subscriptions, or the end itself) have to be there only if both sides get them.
 */
export function checkCompleteness(session: Session, evidence: Evidence): Violation[] {
  const [first] = session.phases
  if (first === undefined) return []
  const partitions = new Set(evidence.history.shapes.map(({ partition = 0 }) => partition))
  return [...partitions].flatMap((partition) => checkPartition(session, first, partition, evidence))
}

function checkPartition(session: Session, first: Phase, partition: number, evidence: Evidence): Violation[] {
  const got = deliveriesOf(session, partition, evidence)
  const missing: Placed[] = []
  const last = got.at(-1)?.event.position ?? -1
  const closedAt = session.end?.at ?? evidence.history.endedAt
  let next = 0
  for (let p = firstPosition(got[0]?.event, first, evidence); p < evidence.events.length; p++) {
    const event = evidence.events[p]!
    if (p > last && event.sentAt > closedAt) break
    if (event.partition !== partition) continue
    if (!session.phases.some((phase) => evidence.rights.allows(phase, event.shape))) continue
    while (next < got.length && got[next]!.event.position < p) next++
    if (got[next]?.event === event) continue
    if (p > last && event.dueAt >= closedAt) continue // it may have come too late for the session
    const gap = next < got.length ? got[next]!.at : session.ids.length
    const before = next > 0 ? got[next - 1]!.at + 1 : 0
    if (isOwed(session, event, before, gap, evidence)) missing.push(event)
  }
  return describe(session, missing, last)
}

interface Delivery {
  readonly event: Placed
  /** Its index among all deliveries of the session. */
  readonly at: number
}

/** In the order of the bus; without what came out of order or twice, which is another invariant's. */
function deliveriesOf(session: Session, partition: number, evidence: Evidence): Delivery[] {
  const got: Delivery[] = []
  for (const [at, id] of session.ids.entries()) {
    const event = evidence.at(id)
    if (event !== undefined && event.partition === partition) got.push({ event, at })
  }
  return got.toSorted((a, b) => a.event.position - b.event.position)
}

function firstPosition(delivered: Placed | undefined, { answeredAt }: Phase, { events }: Evidence): number {
  let [low, high] = [0, events.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (events[middle]!.sentAt < answeredAt) low = middle + 1
    else high = middle
  }
  return Math.min(low, delivered?.position ?? low)
}

/** Whether every phase in which the event may have been due lets the session see it. */
function isOwed(session: Session, event: Placed, from: number, to: number, evidence: Evidence): boolean {
  const { phases } = session
  // Deliveries of other partitions may stand in between: the event may belong between any two of them.
  const candidates = new Set<Phase | null>()
  for (let i = Math.min(from, to); i <= Math.max(from, to); i++)
    for (const phase of phasesOfGap(phases, i)) candidates.add(phase)
  for (const phase of candidates) {
    const following = phases[phase === null ? 0 : phases.indexOf(phase) + 1]
    if (following !== undefined && event.sentAt > following.answeredAt) continue // it was over by then
    if (phase === null) return false
    if (event.dueAt < phase.askedAt) continue // it should have come before
    if (!evidence.rights.allows(phase, event.shape)) return false
    if (isOver(phase, event, evidence)) return false
  }
  return true
}

/** The token that the session had then may have ended before the event. */
function isOver({ token }: Phase, { position, sentAt }: Placed, { revocations, tokens }: Evidence): boolean {
  const revokedAt = revocations.get(token)?.position ?? Infinity
  const expiresAt = tokens.get(token)?.expiresAt ?? Infinity
  return position > revokedAt || sentAt > expiresAt - EARLY_MS_MAX
}

function describe({ name, end }: Session, missing: readonly Placed[], last: number): Violation[] {
  const inside = missing.filter(({ position }) => position < last)
  const tail = missing.filter(({ position }) => position > last)
  const violations: Violation[] = []
  if (inside.length > 0)
    violations.push({ invariant: 'I2', what: `${name} missed ${list(inside)}, but got later ones` })
  if (tail.length > 0)
    violations.push({
      invariant: 'I3',
      what: `${name} missed all since ${list(tail)}, ${end === null ? 'is still open' : `closed with ${end.code}`}`,
    })
  return violations
}

function list(events: readonly Placed[]): string {
  const ids = events.slice(0, 5).map(({ id }) => id)
  return `${events.length} events (${ids.join(', ')}${events.length > ids.length ? ', ...' : ''})`
}
