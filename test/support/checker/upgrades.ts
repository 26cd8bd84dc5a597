import type { FaultWindow, History, Session, Violation } from './history.js'

const SERVICE_RESTART = 1012
const PASSED_ON = 'moved'
/** The session was at its end anyway, and not with 1012. */
const CLOSING = 'closing'

/** The connections of an upgrade that were not passed on, by their reasons. */
export function fallbacksOf({ upgrade }: FaultWindow): [reason: string, connections: number][] {
  return Object.entries(upgrade?.handovers ?? {}).filter(([how]) => how !== PASSED_ON)
}

/**
 * Part of I2: a hand-over closes nobody. An upgrade succeeds, and closes as many sessions with 1012 as it has
 * reasons for; unless a worker was killed meanwhile: then it may fail, and what that worker has counted is lost.
 */
export function checkUpgrades({ faults, sessions }: History): Violation[] {
  return faults.flatMap((window) => {
    const { kind, host, upgrade } = window
    if (upgrade === undefined || upgrade.kills > 0) return []
    const violations: Violation[] = []
    if (upgrade.result === 'failure')
      violations.push({ invariant: 'I2', what: `${kind} of host ${host} failed, and no worker was killed` })
    const closed = sessions.filter((session) => isClosedIn(session, window))
    const reasons = fallbacksOf(window).filter(([reason]) => reason !== CLOSING)
    const allowed = reasons.reduce((sum, [, count]) => sum + count, 0)
    if (closed.length > allowed)
      violations.push({
        invariant: 'I2',
        what: `${kind} of host ${host} closed ${closed.length} sessions with 1012, with a reason for ${allowed}, first ${closed[0]!.name}`,
      })
    return violations
  })
}

function isClosedIn({ end, host }: Session, window: FaultWindow): boolean {
  if (end === null || end.byClient || end.code !== SERVICE_RESTART) return false
  return host === window.host && window.from <= end.at && end.at <= window.to
}
