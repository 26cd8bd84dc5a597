/** Single events and bursts to many sessions. */
import type { Name } from '../contestants/contestant.js'
import { perDelivery } from '../measure/window.js'
import { connectAll, interleaved, measured, mint, pathsOf, TO_ALL, type Scenario } from './scenario.js'

const NAMES: readonly Name[] = ['F0', 'F1', 'socket.io', 'ours']
const GROUP = 'deliveries'

export const deliveries: Scenario = async (bench) => {
  const { stage, plan, figures } = bench
  const { sessions } = plan
  const owners = mint(bench, sessions)
  for (const name of NAMES)
    await connectAll(bench, await stage.contestant(name), GROUP + name, pathsOf(name, sessions, owners))
  for (const scenario of ['singles', 'bursts'] as const) {
    await interleaved(bench, NAMES, async (name, counts) => {
      const contestant = await stage.contestant(name)
      const order = { contestant, group: GROUP + name, sessions, kind: TO_ALL, pace: plan[scenario] }
      const window = await measured(bench, scenario, order)
      if (!counts) return
      const { server, feed } = window.cpuUs
      figures.add(scenario, name, {
        ...perDelivery(window),
        'deliveries per server CPU second': (1e6 * window.deliveries) / server,
        'deliveries per server and feed CPU second': (1e6 * window.deliveries) / (server + feed),
      })
    })
    bench.say(`${scenario} done`)
  }
  for (const name of NAMES) await stage.crowd.close(GROUP + name)
}
