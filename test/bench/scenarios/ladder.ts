/**
 * More and more events per second until a server does not follow any more; then ours and each of the others at half of
 * what the slower of the two sustains.
 */
import type { Name } from '../contestants/contestant.js'
import { latencyBeside } from '../report/targets.js'
import { GENERATOR_SHARE_MAX, latencyMs, measureWindow, perDelivery, type Window } from '../measure/window.js'
import {
  connectAll,
  interleaved,
  measured,
  mint,
  pathsOf,
  TO_ALL,
  type Bench,
  type Scenario,
} from './scenario.js'

const OTHERS = ['relay', 'socket.io'] as const
const NAMES: readonly Name[] = [...OTHERS, 'ours']
const GROUP = 'ladder'
const FIRST_PER_SECOND = 25
const STEP = 1.5
/** One that follows has delivered everything so soon after the last event was sent. */
const TAIL_MS_MAX = 400
const LOAD_SHARE = 0.5

export const ladder: Scenario = async (bench) => {
  const { stage, plan, figures, say } = bench
  const sessions = plan.ladderSessions
  const owners = mint(bench, sessions)
  const sustained = new Map<Name, number>()
  for (const name of NAMES) {
    await connectAll(bench, await stage.contestant(name), GROUP + name, pathsOf(name, sessions, owners))
    const perSecond = await climb(bench, name)
    sustained.set(name, perSecond)
    figures.add('saturation', name, { 'events/s': perSecond, 'deliveries/s': perSecond * sessions })
    say(`${name} sustains ${perSecond} events/s to ${sessions} clients`)
  }
  for (const other of OTHERS) {
    const slower = Math.min(sustained.get(other) ?? 0, sustained.get('ours') ?? 0)
    const perSecond = Math.max(1, Math.round(slower * LOAD_SHARE))
    const pace = { events: Math.ceil(perSecond * plan.latencySeconds), batch: 1, perSecond }
    const scenario = latencyBeside(other)
    await interleaved(bench, [other, 'ours'] as const, async (name, counts) => {
      const contestant = await stage.contestant(name)
      const order = { contestant, group: GROUP + name, sessions, kind: TO_ALL, pace }
      const window = await measured(bench, scenario, order)
      if (counts) figures.add(scenario, name, { 'events/s': perSecond, ...perDelivery(window) })
    })
  }
  for (const name of NAMES) await stage.crowd.close(GROUP + name)
  say('latency done')
}

/** The highest rate that the server sustains, in events per second; 0 when not even the first. */
async function climb(bench: Bench, name: Name): Promise<number> {
  const { stage, plan, figures } = bench
  const contestant = await stage.contestant(name)
  const sessions = plan.ladderSessions
  let sustained = 0
  let perSecond = FIRST_PER_SECOND
  for (let step = 0; step < plan.ladderStepsMax; step++) {
    const pace = { events: Math.ceil(perSecond * plan.ladderSeconds), batch: 1, perSecond }
    const order = { crowd: stage.crowd, contestant, group: GROUP + name, sessions, kind: TO_ALL, pace }
    let window = await measureWindow(order)
    // One hiccup of the machine is not the end.
    if (!follows(window, plan.ladderSeconds)) window = await measureWindow(order)
    const values = { ...perDelivery(window), ...latencyMs(window.received), sessions }
    figures.point({ curve: 'events/s', contestant: name, x: perSecond, values })
    if (!follows(window, plan.ladderSeconds)) break
    sustained = perSecond
    perSecond = Math.round(perSecond * STEP)
  }
  return sustained
}

function follows(
  { deliveries, expected, wallMs, generatorShare, received }: Window,
  seconds: number,
): boolean {
  return (
    deliveries === expected &&
    received.lost.length === 0 &&
    wallMs <= seconds * 1_000 + TAIL_MS_MAX &&
    generatorShare < GENERATOR_SHARE_MAX
  )
}
