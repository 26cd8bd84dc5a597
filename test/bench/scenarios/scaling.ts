/** Single events to ever more sessions, at the same number of deliveries per second. */
import type { Name } from '../contestants/contestant.js'
import { perDelivery } from '../measure/window.js'
import { connectAll, measured, mint, pathsOf, TO_ALL, type Scenario } from './scenario.js'

const NAMES: readonly Name[] = ['F0', 'socket.io', 'ours']
const GROUP = 'scaling'
const EVENTS_MIN = 6

export const scaling: Scenario = async (bench) => {
  const { stage, plan, figures } = bench
  for (const sessions of plan.scaling) {
    const owners = mint(bench, sessions)
    const perSecond = plan.scalingDeliveriesPerSecond / sessions
    const pace = {
      events: Math.max(EVENTS_MIN, Math.round(perSecond * plan.scalingSeconds)),
      batch: 1,
      perSecond,
    }
    for (const name of NAMES) {
      const contestant = await stage.contestant(name)
      await connectAll(bench, contestant, GROUP, pathsOf(name, sessions, owners))
      // The first one fills caches.
      await measured(bench, 'scaling', {
        contestant,
        group: GROUP,
        sessions,
        kind: TO_ALL,
        pace: { ...pace, events: EVENTS_MIN },
      })
      const window = await measured(bench, 'scaling', {
        contestant,
        group: GROUP,
        sessions,
        kind: TO_ALL,
        pace,
      })
      figures.point({ curve: 'sessions', contestant: name, x: sessions, values: perDelivery(window) })
      await stage.crowd.close(GROUP)
    }
    bench.say(`scaling: ${sessions} sessions done`)
  }
}
