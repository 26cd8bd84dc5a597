import type { Evidence } from './evidence.js'
import type { Session, Violation } from './history.js'
import type { Timeline } from './timeline.js'

const SERVICE_RESTART = 1012
const CONNECTION_LOST = 1006
/** Of `redis.history` (120 s): so long a place that was left is good for, whatever the machine's pace. */
const PLACE_MS_MAX = 100_000

/**
 * Which session had to go on where which one had ended: after a 1012 it is the token's next, if it comes while the
 * place is kept (contract: nothing is missed over a drain, and nothing comes twice). A session whose position was accepted
 * goes on from the one that read it, whatever has happened. From the later to the earlier one.
 */
export function predecessorsOf(
  sessions: readonly Session[],
  timeline: Timeline,
): ReadonlyMap<Session, Session> {
  const predecessors = new Map<Session, Session>()
  for (const [session, before] of positionsPresented(sessions))
    if (session.goesOn?.why === null) predecessors.set(session, before)
  const withoutPositions = sessions.filter(({ goesOn }) => goesOn === undefined)
  for (const own of byToken(withoutPositions).values())
    for (const [i, session] of own.entries()) {
      const next = hasLeftPlace(session) ? successorAmong(own.slice(i + 1)) : null
      if (next !== null && isKept(session, next, timeline)) predecessors.set(next, session)
    }
  return predecessors
}

/** I2: a position is good for as long as positions are kept, unless a fault has cost the sequence. */
export function checkPositions({ history, timeline }: Evidence): Violation[] {
  const violations: Violation[] = []
  for (const [session, before] of positionsPresented(history.sessions)) {
    const why = session.goesOn?.why ?? null
    if (why === null || session.phases.length === 0 || !isKept(before, session, timeline)) continue
    const what = `${session.name} could not go on from ${before.name} (${why}), with no fault that explains it`
    violations.push({ invariant: 'I2', what })
  }
  return violations
}

/** Sessions that presented a position, and those that had read it. */
function* positionsPresented(sessions: readonly Session[]): Iterable<readonly [Session, Session]> {
  const byName = new Map(sessions.map((session) => [session.name, session]))
  for (const session of sessions) {
    const before = byName.get(session.goesOn?.from ?? '')
    if (before !== undefined && session.phases.length > 0) yield [session, before]
  }
}

/** As its client sees it: one session, from the first start to the last end. Without any resumption, itself. */
export function journeyTo(last: Session, predecessors: ReadonlyMap<Session, Session>): Session {
  const before = predecessors.get(last)
  if (before === undefined) return last
  const journey = journeyTo(before, predecessors)
  const shift = journey.ids.length
  const resumed = last.phases.map((phase, k) => ({
    ...phase,
    from: phase.from + shift,
    // What was due later was the later session's to bring, however long before its start.
    askedAt: k === 0 ? journey.end!.at : phase.askedAt,
  }))
  return {
    ...journey,
    name: `${journey.name} -> ${last.name}`,
    phases: [...journey.phases, ...resumed],
    ids: [...journey.ids, ...last.ids],
    times: [...journey.times, ...last.times],
    end: last.end,
  }
}

function byToken(sessions: readonly Session[]): Map<string, Session[]> {
  const groups = new Map<string, Session[]>()
  for (const session of sessions.toSorted((a, b) => a.connectedAt - b.connectedAt)) {
    const group = groups.get(session.token)
    if (group === undefined) groups.set(session.token, [session])
    else group.push(session)
  }
  return groups
}

function hasLeftPlace({ end, phases, token }: Session): boolean {
  if (end === null || end.byClient || end.code !== SERVICE_RESTART) return false
  return phases.at(-1)?.token === token // another one's place is kept for another one
}

/** The next that has started; null: none, or one before it may have taken the place and lost it with its worker. */
function successorAmong(later: readonly Session[]): Session | null {
  const at = later.findIndex(({ phases }) => phases.length > 0)
  if (at === -1) return null
  const lost = later.slice(0, at).some(({ end }) => end?.byClient === true || end?.code === CONNECTION_LOST)
  return lost ? null : later[at]!
}

function isKept({ end }: Session, { phases }: Session, timeline: Timeline): boolean {
  const from = end!.at
  const to = phases[0]!.answeredAt
  return to - from <= PLACE_MS_MAX && !timeline.forgets(from, to)
}
