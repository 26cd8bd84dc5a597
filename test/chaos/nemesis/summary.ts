/** What a run came to, in words. Pure. */
import type { History, Invariant, Violation } from '../../support/checker/history.js'
import { fallbacksOf } from '../../support/checker/upgrades.js'
import { LEADS_TO, type Kind } from './kinds.js'
import type { Counts } from './tally.js'

const TIMES_MIN = 3
/** Of each invariant: many of one kind do not hide the others. */
const VIOLATIONS_SHOWN_MAX = 8

/** Reasons for which a run without violations shows nothing; empty: it is valid. */
export function invalidity(
  history: Pick<History, 'faults'>,
  counts: Counts,
  kinds: readonly Kind[],
  broken: string | null,
): string[] {
  const reasons = broken === null ? [] : [broken]
  for (const kind of kinds) {
    const times = timesOf(history, kind)
    if (times < TIMES_MIN) reasons.push(`${kind} came up ${times} times, less than ${TIMES_MIN}`)
  }
  const seen = {
    recovery: counts.recoveries,
    takeover: counts.takeovers,
    'ROLLED or EMPTY': counts.rolled + counts.empty,
  }
  for (const what of Object.keys(LEADS_TO) as (keyof typeof LEADS_TO)[])
    if (seen[what] === 0)
      reasons.push(`no ${what} was counted (faults that lead to one: ${LEADS_TO[what].join(', ')})`)
  return reasons
}

/** The same for a run of upgrades. */
export function invalidityOfUpgrades(
  { faults }: Pick<History, 'faults'>,
  wanted: number,
  broken: string | null,
): string[] {
  const reasons = broken === null ? [] : [broken]
  const done = faults.filter(({ upgrade }) => upgrade?.result === 'success').length
  if (done < wanted) reasons.push(`${done} upgrades succeeded, less than ${wanted}`)
  if (killsOf({ faults }).all === 0) reasons.push('no worker was killed')
  return reasons
}

export function summary(
  seed: number,
  history: History,
  counts: Counts,
  kinds: readonly Kind[],
  violations: readonly Violation[],
): string[] {
  const deliveries = history.sessions.reduce((sum, { ids }) => sum + ids.length, 0)
  const closes = new Map<string, number>()
  for (const { end, phases } of history.sessions) {
    if (end === null || end.byClient) continue
    const name = phases.length === 0 ? `${end.code} before its start` : `${end.code}`
    closes.set(name, (closes.get(name) ?? 0) + 1)
  }
  return [
    `seed                ${seed}`,
    `faults              ${history.faults.length}: ${kinds.map((kind) => `${kind} ${timesOf(history, kind)}`).join(', ')}`,
    `events              ${history.stream.length}`,
    `sessions            ${history.sessions.length}, closed by the server: ${listOf(closes)}`,
    `deliveries checked  ${deliveries}`,
    `recoveries          ${counts.recoveries} (and ${counts.losses} that ended with 1011)`,
    `takeovers           ${counts.takeovers}`,
    `ROLLED, EMPTY       ${counts.rolled}, ${counts.empty}`,
    ...upgradeLines(history, counts),
    positionLine(history),
    `violations          ${violations.length}`,
    ...someOfEach(violations),
  ]
}

function positionLine({ sessions }: History): string {
  const presented = sessions.flatMap(({ goesOn, phases }) => (phases.length > 0 ? (goesOn ?? []) : []))
  const refused = presented.flatMap(({ why }) => why ?? [])
  return `positions           ${presented.length} presented, of them refused ${refused.length}`
}

/** What became of workers, and of sessions that they had to pass on or to send away. */
function upgradeLines({ faults }: History, { resumed, placesNotLeft }: Counts): string[] {
  const all = faults.flatMap(({ upgrade }) => upgrade ?? [])
  const done = all.filter(({ result }) => result === 'success').length
  const moved = all.reduce((sum, { handovers }) => sum + (handovers['moved'] ?? 0), 0)
  const reasons = new Map<string, number>()
  for (const [reason, count] of faults.flatMap(fallbacksOf))
    reasons.set(reason, (reasons.get(reason) ?? 0) + count)
  const kills = killsOf({ faults })
  return [
    `upgrades            ${done} completed, ${all.length - done} failed`,
    `connections passed  ${moved}, not passed: ${[...reasons].map((each) => each.join(' ')).join(', ') || 'none'}`,
    `workers killed      ${kills.all}, of them during an upgrade ${kills.during}`,
    `sessions resumed    ${resumed} (and ${placesNotLeft} that could not leave their place)`,
  ]
}

function killsOf({ faults }: Pick<History, 'faults'>): { all: number; during: number } {
  const during = faults.reduce((sum, { upgrade }) => sum + (upgrade?.kills ?? 0), 0)
  return { all: during + timesOf({ faults }, 'worker-kill'), during }
}

function someOfEach(violations: readonly Violation[]): string[] {
  const kept = new Map<Invariant, string[]>()
  for (const { invariant, what } of violations) {
    const whats = kept.get(invariant) ?? []
    kept.set(invariant, whats)
    whats.push(what)
  }
  return [...kept]
    .toSorted()
    .flatMap(([invariant, whats]) => [
      `  ${invariant}: ${whats.length}`,
      ...whats.slice(0, VIOLATIONS_SHOWN_MAX).map((what) => `    ${what}`),
    ])
}

function timesOf({ faults }: Pick<History, 'faults'>, wanted: Kind): number {
  return faults.filter(({ kind }) => kind === wanted).length
}

function listOf(counts: ReadonlyMap<string, number>): string {
  return [...counts].map(([code, count]) => `${count} with ${code}`).join(', ') || 'none'
}
