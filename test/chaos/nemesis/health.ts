import { setTimeout as sleep } from 'node:timers/promises'
import { now } from '../load/clock.js'
import type { Load } from './load.js'
import type { Rig } from './rig.js'

const EVERY_MS = 200
const ANSWER_MS_MAX = 1000

/**
 * Waits until every program says that it is ready, every worker serves, and an event that was published after
 * that has reached every host's sentinels. False: that was not so within `limitMs`.
 */
export async function awaitWell(rig: Rig, load: Load, limitMs: number): Promise<boolean> {
  const deadline = now() + limitMs
  while (!(await isReady(rig))) {
    if (now() > deadline) return false
    await sleep(EVERY_MS)
  }
  const last = load.lastConfirmed
  while (load.lastConfirmed === last || (load.reached ?? -1) <= last) {
    if (now() > deadline) return false
    await sleep(EVERY_MS / 4)
  }
  return true
}

async function isReady(rig: Rig): Promise<boolean> {
  const { cluster } = rig
  const ports = [
    ...cluster.edges.map(({ adminPort }) => adminPort),
    ...cluster.ingests.map((ingest) => rig.ingestPort(ingest)),
  ]
  const answers = await Promise.all(ports.map((port) => answersReady(port)))
  if (answers.includes(false)) return false
  try {
    return (await cluster.metric('workers_ready')) === rig.workers
  } catch {
    return false
  }
}

async function answersReady(port: number | null): Promise<boolean> {
  if (port === null) return false
  try {
    const signal = AbortSignal.timeout(ANSWER_MS_MAX)
    return (await fetch(`http://127.0.0.1:${port}/readyz`, { signal })).ok
  } catch {
    return false
  }
}
