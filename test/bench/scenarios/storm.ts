/**
 * Many clients that connect at once: how many are admitted per second, and what wazo-auth is asked. Against bare `ws`,
 * which accepts them, count clients that are content with `init`; those that subscribe and start are measured besides.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Contestant } from '../contestants/contestant.js'
import type { Stage } from '../stage.js'
import { cpuOf, difference, GENERATOR_SHARE_MAX } from '../measure/window.js'
import { connectAll, interleaved, mint, pathsOf, type Scenario } from './scenario.js'

const STARTED = 'ours, subscribed and started'
const NAMES = ['F0', 'socket.io', 'ours', STARTED] as const
const GROUP = 'storm'
const WORKERS = 2
/** For what closing leaves to do. */
const CALM_MS = 1_500

export const storm: Scenario = async (bench) => {
  const { stage, plan, figures } = bench
  const { auth } = stage.cluster
  await interleaved(bench, NAMES, async (name, counts) => {
    const contestant = await contestantOf(stage, name)
    // New tokens: nothing is remembered of them.
    const owners = mint(bench, plan.stormTokens)
    auth.reset()
    const before = cpuOf(contestant)
    const opened = await connectAll(
      bench,
      contestant,
      GROUP,
      pathsOf(contestant.name, plan.stormSessions, owners),
    )
    const { server } = difference(cpuOf(contestant), before)
    const { lookups } = auth.requests()
    await stage.crowd.close(GROUP)
    await sleep(CALM_MS)
    if (!counts) return
    const sessions = plan.stormSessions
    if (opened.cpuShare >= GENERATOR_SHARE_MAX)
      figures.fault('storm', name, `a load generator used ${Math.round(opened.cpuShare * 100)} % of a core`)
    figures.add('storm', name, {
      sessions,
      'admitted/s': (1_000 * sessions) / opened.admittedMs,
      'ready/s': (1_000 * sessions) / opened.readyMs,
      'server us/connect': server / sessions,
      lookups,
      'tokens x workers': plan.stormTokens * WORKERS,
      'generator share': opened.cpuShare,
    })
  })
  bench.say('storm done')
}

async function contestantOf(stage: Stage, name: (typeof NAMES)[number]): Promise<Contestant> {
  if (name === STARTED) return stage.contestant('ours')
  const contestant = await stage.contestant(name)
  return name === 'ours' ? { ...contestant, dialect: 'wazo, silent' } : contestant
}
