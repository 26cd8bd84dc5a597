/** `npm run attack`: honest clients beside every kind of hostile ones at once, and beside the same CPU load without them. */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Cluster, type EdgeHost } from '../support/cluster.js'
import { Load } from '../support/load.js'
import { sleep } from '../support/wait.mjs'

const USAGE = 'Usage: npm run attack -- [--seconds N] [--only kind,kind]'
const QUIET_MS = 10_000
const SETTLE_MS = 5_000
const HONEST = 20
const EVENTS_PER_SECOND = 20
const CLOCK_TICKS = 100
const CORES_PERCENT = 95

/** Hostile clients of each kind; of `connects` so many in a second. */
const ATTACK = {
  slowloris: 2_000,
  connects: 5_000,
  deaf: 200,
  bombs: 50,
  pongs: 50,
  'after-close': 20,
} as const
type Kind = keyof typeof ATTACK

/** Patterns that take longest to match, as many and as long as a token may have. */
const BOMB = Array.from({ length: 5_000 }, (_, i) => `${'*a'.repeat(240)}.${i}`)

interface Seen {
  readonly pings: number[]
  readonly newcomers: number[]
  readonly refused: number
  readonly closed: number
  readonly faults: number
  readonly events: number
}

const start = (program: string, ...args: (string | number)[]): ChildProcess =>
  fork(fileURLToPath(new URL(program, import.meta.url)), args.map(String), { execArgv: [] })

/** CPU seconds that a process has used. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS
}

function residentMib(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
}

function percentiles(values: readonly number[]): string {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (share: number) =>
    (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN).toFixed(1)
  return `p50 ${at(0.5)}, p99 ${at(0.99)}, max ${at(1)} ms of ${values.length}`
}

async function observe(name: string, honest: ChildProcess, edge: EdgeHost, ms: number): Promise<void> {
  honest.send('forget')
  await once(honest, 'message')
  await sleep(ms)
  honest.send('tell')
  const [seen] = (await once(honest, 'message')) as [Seen]
  const lags = edge
    .workerPids()
    .map((_, worker) => edge.metric('event_loop_lag_seconds', { worker: `${worker}` }))
  const lag = Math.max(...(await Promise.all(lags).catch(() => [NaN])))
  const memory = edge.workerPids().map((pid) => `${residentMib(pid).toFixed(0)} MiB`)
  console.log(name)
  console.log(`  pings       ${percentiles(seen.pings)}`)
  console.log(`  newcomers   ${percentiles(seen.newcomers)}, ${seen.refused} refused`)
  console.log(`  sessions    ${seen.closed} closed, ${seen.faults} gaps in ${seen.events} events`)
  console.log(`  workers     ${memory.join(', ')}; lag ${(lag * 1000).toFixed(0)} ms`)
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { seconds: { type: 'string', default: '60' }, only: { type: 'string' } },
  })
  const seconds = Number(values.seconds)
  const kinds = (values.only?.split(',') ?? Object.keys(ATTACK)) as Kind[]
  if (!(seconds > 0) || kinds.some((kind) => !(kind in ATTACK))) {
    console.error(USAGE)
    process.exit(2)
  }
  const cluster = await Cluster.start({ name: 'attack', edges: 1, ingests: 1, workers: 2 })
  const [edge] = cluster.edges
  if (edge === undefined) throw new Error('no edge')
  const mint = (count: number, acl?: string[]) =>
    Array.from({ length: count }, () => cluster.auth.mint(acl === undefined ? {} : { acl }).token).join(',')
  const load = new Load(cluster.publisher, EVENTS_PER_SECOND, (n) => ({
    name: 'numbered',
    data: { n, filler: 'x'.repeat(2_000) },
  }))
  const honest = start('./honest.mjs', edge.port, HONEST, mint(HONEST))
  await once(honest, 'message')
  await observe('quiet', honest, edge, QUIET_MS)

  const tokens: Partial<Record<Kind, string>> = {
    deaf: mint(10),
    pongs: mint(10),
    bombs: mint(10, ['websocketd', ...BOMB.slice(1)]),
  }
  const attackers = kinds.map((kind, i) =>
    start('./attacker.mjs', kind, edge.port, ATTACK[kind], tokens[kind] ?? 'x', `127.0.66.${i + 1}`),
  )
  await sleep(SETTLE_MS)
  const used = () => attackers.map(({ pid }) => cpuSeconds(pid ?? 0))
  const before = used()
  await observe(`attack: ${kinds.join(', ')}`, honest, edge, seconds * 1000)
  const percents = used().map((each, i) => ((each - before[i]!) / seconds) * 100)
  for (const attacker of attackers) attacker.disconnect()
  await sleep(SETTLE_MS)
  const burners = percents.map((each) =>
    start('./attacker.mjs', 'burn', 0, Math.min(CORES_PERCENT, Math.round(each)), 'x'),
  )
  await observe(
    `the attackers' CPU load (${percents.map(Math.round).join(', ')} % of a core) without attack`,
    honest,
    edge,
    QUIET_MS,
  )
  for (const each of [...burners, honest]) each.disconnect()
  for (const name of [
    'flooding_clients_closed_total',
    'handshakes_rejected_total',
    'slow_consumers_closed_total',
    'client_reads_held_total',
  ])
    console.log(`${name} ${await edge.metric(name).catch(() => 0)}`)
  await load.halt()
  await cluster.stop()
}

await main()
