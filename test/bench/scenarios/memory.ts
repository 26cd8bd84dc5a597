/** Resident memory of a session that is authenticated and subscribed, against a bare `ws` connection; garbage is gone. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Name } from '../contestants/contestant.js'
import { settledBytesOf, SMALL_NURSERY } from '../measure/memory.js'
import { turnOf } from '../plan.js'
import { connectAll, mint, pathsOf, type Bench, type Scenario } from './scenario.js'

const NAMES: readonly Name[] = ['F0', 'ours']
const GROUP = 'memory'
/** Come and go first: code and caches that the first sessions bring are not theirs. */
const FIRST_SESSIONS = 200
const KIB = 1_024
/** For what connecting leaves to do. Ours remembers answers of wazo-auth for 10 s, and adds jobs within 8. */
const CALM_MS: Readonly<Partial<Record<Name, number>>> = { F0: 1_000, ours: 12_000 }

export const memory: Scenario = async (bench) => {
  for (let round = 0; round < bench.plan.rounds; round++)
    for (const name of turnOf(NAMES, round)) await measure(bench, name)
  bench.say('memory done')
}

/** In processes that nothing else has happened in. */
async function measure(bench: Bench, name: Name): Promise<void> {
  const { stage, plan, figures } = bench
  const contestant = await stage.fresh(name, [SMALL_NURSERY])
  const sessions = plan.memorySessions
  try {
    await connectAll(bench, contestant, GROUP, pathsOf(name, FIRST_SESSIONS, mint(bench, FIRST_SESSIONS)))
    await stage.crowd.close(GROUP)
    await sleep(CALM_MS[name])
    const before = await settledBytesOf(contestant.pids.server)
    await connectAll(bench, contestant, GROUP, pathsOf(name, sessions, mint(bench, sessions)))
    await sleep(CALM_MS[name])
    const after = await settledBytesOf(contestant.pids.server)
    figures.add('memory', name, { sessions, 'KiB per session': (after - before) / KIB / sessions })
    await stage.crowd.close(GROUP)
  } finally {
    await contestant.stop()
  }
}
