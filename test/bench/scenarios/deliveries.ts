/** Single events and bursts to many sessions. */
import { randomUUID } from 'node:crypto'
import type { Contestant, Name } from '../contestants/contestant.js'
import { perDelivery } from '../measure/window.js'
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

const NAMES: readonly Name[] = ['F0', 'F1', 'socket.io', 'ours']
const GROUP = 'deliveries'
/** F0 while the same events go through brokers, ingest and edge to nobody: what their neighbourhood costs a write. */
const BESIDE = 'F0 beside the bus'

export const deliveries: Scenario = async (bench) => {
  const { stage, plan, figures } = bench
  const { sessions } = plan
  const owners = mint(bench, sessions)
  for (const name of NAMES)
    await connectAll(bench, await stage.contestant(name), GROUP + name, pathsOf(name, sessions, owners))
  for (const [scenario, names] of [
    ['singles', [...NAMES, BESIDE]],
    ['bursts', NAMES],
  ] as const) {
    await interleaved(bench, names, async (name, counts) => {
      const contestant = await (name === BESIDE ? besideTheBus(bench) : stage.contestant(name))
      const order = {
        contestant,
        group: GROUP + contestant.name,
        sessions,
        kind: TO_ALL,
        pace: plan[scenario],
      }
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

async function besideTheBus({ stage }: Bench): Promise<Contestant> {
  const floor = await stage.contestant('F0')
  const ours = await stage.contestant('ours')
  const user = randomUUID()
  return {
    ...floor,
    async run(kind, pace) {
      const [, sent] = await Promise.all([floor.run(kind, pace), ours.run({ ...kind, user }, pace)])
      return sent
    },
  }
}
