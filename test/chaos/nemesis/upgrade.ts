import { setTimeout as sleep } from 'node:timers/promises'
import type { EdgeHost } from '../../support/cluster.js'
import { waitFor } from '../../support/wait.mjs'
import type { Upgrade } from '../../support/checker/history.js'
import { readMetrics, type Sample } from './metrics.js'

/** Above what the primary allows two successors to become ready, and two old workers to drain. */
const UPGRADE_MS_MAX = 240_000
const EVERY_MS = 200
/** A hand-over is over in a moment. */
const WATCH_MS = 4
const NOTICED_MS_MAX = 10_000
const RESULT = /^upgrades_total\{result="(success|failure)"\}$/
const HANDOVER = /^handover_total\{result="([^"]+)"\}$/

/** A worker is to be killed while the workers are being replaced. */
export interface KillDuring {
  /** Below a half: at any time; else: just when the next worker begins to pass its connections on. */
  readonly aim: number
  /** After the signal. */
  readonly lastsMs: number
}

/** Has a host replace its workers, and waits for the end of that. */
export async function upgrade(edge: EdgeHost, kill?: KillDuring): Promise<Upgrade> {
  const before = await readMetrics(edge.adminPort)
  edge.program.kill('SIGHUP')
  const over = ended(edge, before)
  if (kill === undefined) return { ...(await over), kills: 0 }
  const [how, kills] = await Promise.all([over, killDuring(edge, kill, over)])
  return { ...how, kills }
}

/** Ends one of the workers that run, at once. False: it was gone before. */
export async function killAtRandom(edge: EdgeHost, aim: number): Promise<boolean> {
  const pids = edge.workerPids()
  const pid = pids[Math.floor(aim * 997) % pids.length]
  if (pid === undefined) throw new Error('an edge host without workers')
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    return false
  }
  await waitFor(() => !edge.workerPids().includes(pid), {
    timeoutMs: NOTICED_MS_MAX,
    what: 'the primary to notice',
  })
  return true
}

async function ended(edge: EdgeHost, before: Sample): Promise<Omit<Upgrade, 'kills'>> {
  const deadline = performance.now() + UPGRADE_MS_MAX
  for (;;) {
    await sleep(EVERY_MS)
    if (performance.now() > deadline) throw new Error('an upgrade did not come to its end')
    const now = await readMetrics(edge.adminPort).catch(() => before)
    const [result] = Object.keys(risen(RESULT, before, now))
    // A SIGHUP on its way may be so slow that nothing is in progress yet: only a result counts.
    if (result === undefined || now.get('upgrade_in_progress') !== 0) continue
    return { result: result as Upgrade['result'], handovers: risen(HANDOVER, before, now) }
  }
}

/** Gives how many were killed: none when the upgrade was over before. */
async function killDuring(edge: EdgeHost, { aim, lastsMs }: KillDuring, over: Promise<unknown>) {
  const end = { seen: false }
  const see = (): void => void (end.seen = true)
  over.then(see, see)
  await sleep(lastsMs)
  const drains = (): number => edge.program.logs().split('"draining"').length
  for (const begun = drains(); aim >= 0.5 && !end.seen && drains() === begun;) await sleep(WATCH_MS)
  return !end.seen && (await killAtRandom(edge, aim)) ? 1 : 0
}

/** By how much each metric of a family has grown that has: by its label. */
function risen(family: RegExp, before: Sample, now: Sample): Record<string, number> {
  const risen: Record<string, number> = {}
  for (const [name, value] of now) {
    const [, label] = family.exec(name) ?? []
    const growth = value - (before.get(name) ?? 0)
    if (label !== undefined && growth > 0) risen[label] = growth
  }
  return risen
}
