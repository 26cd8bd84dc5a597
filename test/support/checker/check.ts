/** The checker of the invariants I1 to I8 (ARCHITECTURE.md) over what was recorded of a run. */
import { checkCompleteness } from './completeness.js'
import { checkEnding } from './endings.js'
import { Evidence } from './evidence.js'
import type { History, Session, Violation } from './history.js'
import { checkLifetime } from './lifetime.js'
import { checkOrder } from './order.js'
import { checkPositions, journeyTo } from './resumption.js'
import { checkSecrecy } from './secrecy.js'
import { checkStalls } from './stalls.js'
import { checkCoverage, checkHeads } from './sequence.js'
import { checkUpgrades } from './upgrades.js'

type Part = (session: Session, evidence: Evidence) => Violation[]

const OF_A_SESSION: readonly Part[] = [checkSecrecy, checkLifetime, checkEnding]
/** Over a session and those in whose place it has come, as if there were but one. */
const OF_A_JOURNEY: readonly Part[] = [checkOrder, checkCompleteness]

/** All violations of a history, in the order of its sessions; empty: every invariant held. Pure. */
export function check(history: History): Violation[] {
  const evidence = new Evidence(history)
  return [
    ...history.sessions.flatMap((session) => OF_A_SESSION.flatMap((part) => part(session, evidence))),
    ...journeysIn(evidence).flatMap((journey) => OF_A_JOURNEY.flatMap((part) => part(journey, evidence))),
    ...checkPositions(evidence),
    ...checkCoverage(evidence),
    ...checkHeads(evidence),
    ...checkRecord(evidence),
    ...checkHealing(history),
    ...checkStalls(evidence),
    ...checkUpgrades(history),
    ...checkHoldings(history),
  ]
}

function journeysIn({ history, predecessors }: Evidence): Session[] {
  const goneOn = new Set(predecessors.values())
  return history.sessions
    .filter((session) => !goneOn.has(session))
    .map((session) => journeyTo(session, predecessors))
}

/** What the broker has confirmed is on the bus, or the record of the bus is not complete. */
function checkRecord(evidence: Evidence): Violation[] {
  const { history, timeline } = evidence
  const lost = history.published.filter(
    ({ id, sentAt, confirmedAt }) =>
      confirmedAt !== null && evidence.at(id) === undefined && !timeline.troubled(sentAt),
  )
  if (lost.length === 0) return []
  return [
    { invariant: 'I6', what: `${lost.length} confirmed events are not on the bus, first ${lost[0]!.id}` },
  ]
}

/** A fault that lasts longer than it may is an outage that sessions notice. */
function checkHealing({ faults }: History): Violation[] {
  return faults
    .filter(({ healedInTime }) => !healedInTime)
    .map(({ kind, from, to }) => ({
      invariant: 'I2',
      what: `the cluster was not well ${Math.round(to - from)} ms after the beginning of ${kind}`,
    }))
}

function checkHoldings({ holdings }: History): Violation[] {
  return holdings
    .filter(({ value, max }) => !(value <= max))
    .map(({ what, value, max }) => ({ invariant: 'I8', what: `${what}: ${value}, at most ${max} allowed` }))
}
