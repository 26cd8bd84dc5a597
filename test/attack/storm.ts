/** `npm run attack:storm`: far more events for a minute than the edge can deliver, and what is left of service then. */
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { Cluster, type EdgeHost } from '../support/cluster.js'
import { Crowd, type CrowdState } from '../support/crowd.js'
import { Load } from '../support/load.js'
import { sleep, waitFor } from '../support/wait.mjs'

const USAGE = 'Usage: npm run attack:storm -- [--seconds N] [--sessions N] [--rate N]'
const TOKENS = 20
const BODY_CHARACTERS = 500
const SERVED_MS_MAX = 60_000
const WATCH_MS = 500

function residentMib(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
}

/** Watches the memory of the workers until it is stopped; gives the most that any had, in MiB. */
function watchMemory(edge: EdgeHost): () => number {
  let most = 0
  const look = () => {
    for (const pid of edge.workerPids()) most = Math.max(most, residentMib(pid))
  }
  const timer = setInterval(look, WATCH_MS)
  return () => (clearInterval(timer), most)
}

/** Resolves with the milliseconds until somebody who comes now has got an event that is published now. */
async function untilServed(cluster: Cluster): Promise<number> {
  const from = performance.now()
  const { token } = cluster.auth.mint()
  const served = async () => {
    const client = await cluster
      .connect(token)
      .start('afterwards')
      .catch(() => null)
    if (client === null) return false
    const one = new Load(cluster.publisher, 100, () => ({ name: 'afterwards' }))
    try {
      await client.next()
      return true
    } catch {
      return false
    } finally {
      await one.halt()
      client.socket.terminate()
    }
  }
  await waitFor(served, { timeoutMs: SERVED_MS_MAX, everyMs: 100, what: 'service' })
  return performance.now() - from
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '60' },
      sessions: { type: 'string', default: '1000' },
      rate: { type: 'string', default: '3000' },
    },
  })
  const [seconds, sessions, rate] = [values.seconds, values.sessions, values.rate].map(Number)
  if (!(seconds! > 0) || !(sessions! > 0) || !(rate! > 0)) {
    console.error(USAGE)
    process.exit(2)
  }
  const cluster = await Cluster.start({ name: 'storm', edges: 1, ingests: 1, workers: 2 })
  const [edge] = cluster.edges
  const tokens = Array.from({ length: TOKENS }, () => cluster.auth.mint().token)
  const crowd = await Crowd.join(
    Array.from({ length: sessions! }, (_, i) => `${edge!.url}/?token=${tokens[i % TOKENS]!}&version=2`),
  )
  await crowd.clear()
  const memory = watchMemory(edge!)
  const filler = 'x'.repeat(BODY_CHARACTERS)
  const load = new Load(cluster.publisher, rate!, (n) => ({ name: 'numbered', data: { n, filler } }))
  await sleep(seconds! * 1_000)
  const sent = await load.stop()
  const served = await untilServed(cluster)
  const back = performance.now()
  const all = async () => (await crowd.state()).started === sessions
  await waitFor(all, { timeoutMs: SERVED_MS_MAX, everyMs: 100, what: 'all clients' }).catch(() => undefined)
  const state: CrowdState = await crowd.state()
  const { others } = await crowd.events(sent)
  console.log(
    `${sent} events in ${seconds} s for ${sessions} sessions: ${sent * sessions!} deliveries wanted`,
  )
  console.log(`  delivered   ${state.received}, out of order or unknown in ${others} sessions`)
  console.log(`  ended       ${JSON.stringify(state.closes)}, errors ${JSON.stringify(state.errors)}`)
  console.log(`  memory      at most ${memory().toFixed(0)} MiB in a worker`)
  console.log(`  afterwards  a newcomer served after ${served.toFixed(0)} ms,`)
  console.log(`              ${state.started} clients in ${(performance.now() - back).toFixed(0)} ms later`)
  for (const name of ['slow_consumers_closed_total', 'recovery_total'])
    console.log(`${name} ${await edge!.metric(name).catch(() => 0)}`)
  crowd.stop()
  await cluster.stop()
}

await main()
