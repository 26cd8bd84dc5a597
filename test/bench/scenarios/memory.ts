/** Resident memory of a session that is authenticated and subscribed, against a bare `ws` connection; garbage is gone. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Contestant, Name } from '../contestants/contestant.js'
import { settledBytesOf, SMALL_NURSERY } from '../measure/memory.js'
import { turnOf } from '../plan.js'
import { connectAll, mint, pathsOf, type Bench, type Scenario } from './scenario.js'

const NAMES: readonly Name[] = ['F0', 'ours']
const GROUP = 'memory'
/** Come and go first: code and caches that the first sessions bring are not theirs. */
const FIRST_SESSIONS = 200
const KIB = 1_024
/**
 * For what connecting leaves to do. Ours remembers answers of wazo-auth for 10 s, and adds jobs within 8; V8 gives
 * pages of its heap back up to 8 s after it emptied them, which is megabytes in each process.
 */
const CALM_MS = 12_000

export const memory: Scenario = async (bench) => {
  for (let round = 0; round < bench.plan.rounds; round++) await measure(bench, turnOf(NAMES, round))
  bench.say('memory done')
}

/** In processes that nothing else has happened in, side by side: memory is nothing that they share. */
async function measure(bench: Bench, names: readonly Name[]): Promise<void> {
  const { stage, plan, figures } = bench
  const contestants: Contestant[] = []
  try {
    for (const name of names) contestants.push(await stage.fresh(name, [SMALL_NURSERY]))
    await connect(bench, contestants, FIRST_SESSIONS)
    for (const { name } of contestants) await stage.crowd.close(GROUP + name)
    const before = await calmBytesOf(contestants)
    const sessions = plan.memorySessions
    await connect(bench, contestants, sessions)
    const after = await calmBytesOf(contestants)
    for (const [i, { name }] of contestants.entries()) {
      const bytes = after[i]! - before[i]!
      figures.add('memory', name, { sessions, 'KiB per session': bytes / KIB / sessions })
      if (bytes <= 0) figures.fault('memory', name, 'sessions took no memory: something else was measured')
      await stage.crowd.close(GROUP + name)
    }
  } finally {
    for (const contestant of contestants) await contestant.stop()
  }
}

async function connect(bench: Bench, contestants: readonly Contestant[], sessions: number): Promise<void> {
  for (const contestant of contestants) {
    const { name } = contestant
    await connectAll(bench, contestant, GROUP + name, pathsOf(name, sessions, mint(bench, sessions)))
  }
}

async function calmBytesOf(contestants: readonly Contestant[]): Promise<number[]> {
  await sleep(CALM_MS)
  return Promise.all(contestants.map(({ pids }) => settledBytesOf(pids.server)))
}
