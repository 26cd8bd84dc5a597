/** The faults that the simulated cluster has to survive, with what sessions may notice of each. */
import type { Random } from '../support/scenario/random.js'
import { HEARTBEATS_MS } from './amqp-client.js'
import type { SimulatedCluster } from './cluster.js'

export const LAYOUTS = ['single', 'sentinel', 'cluster'] as const
export type Layout = (typeof LAYOUTS)[number]

/** One fault of a run; `aim` and `depth` decide what it hits and how much. All are in [0, 1). */
export interface Fault {
  readonly kind: Kind
  readonly pauseMs: number
  readonly lastsMs: number
  readonly aim: number
  readonly depth: number
}

interface Grade {
  /** Close codes that it may give to started sessions. */
  readonly codes: readonly number[]
  readonly lastsMs: readonly [number, number]
  /** How long after its end the cluster may need to be well again. */
  readonly healsMs: number
  readonly layouts: readonly Layout[]
  /** Resolves when it is over. */
  readonly inject: (cluster: SimulatedCluster, fault: Fault) => Promise<void>
}

const ALL: readonly Layout[] = LAYOUTS
const HEALS_MS = 8000
/** The stream or the marker may have lost something: all begin anew. */
const CONTINUITY_LOST = [1011]
const SNAPSHOTS_BACK_MAX = 6
const RESTART_MS = [50, 1500] as const
const CLOCK_STEP_MS_MAX = 7_200_000
const LOSS_SHARE_MAX = 0.2
const READONLY = "READONLY You can't write against a read only replica."

function grade(
  codes: readonly number[],
  lastsMs: readonly [number, number],
  inject: Grade['inject'],
  { layouts = ALL, healsMs = HEALS_MS }: Partial<Pick<Grade, 'layouts' | 'healsMs'>> = {},
): Grade {
  return { codes, lastsMs, healsMs, layouts, inject }
}

export const KINDS = {
  'ingest-kill': grade([], RESTART_MS, async (cluster, { aim, lastsMs }) => {
    const index = cluster.killIngest(aim)
    await cluster.scheduler.sleep(lastsMs)
    cluster.startIngest(index)
  }),
  'ingest-freeze': grade([], [300, 25_000], async (cluster, { aim, lastsMs }) => {
    const { process } = cluster.ingestAt(aim)
    process.freeze()
    await cluster.scheduler.sleep(lastsMs)
    process.thaw()
  }),
  'ingests-dead': grade([], [500, 20_000], async (cluster, { lastsMs }) => {
    const dead = cluster.killIngests()
    await cluster.scheduler.sleep(lastsMs)
    for (const index of dead) cluster.startIngest(index)
  }),
  'worker-kill': grade([1006], RESTART_MS, async (cluster, { aim, lastsMs }) => {
    const index = cluster.killWorker(aim)
    await cluster.scheduler.sleep(lastsMs)
    cluster.startWorker(index)
  }),
  'worker-freeze': grade([], [300, 2500], async (cluster, { aim, lastsMs }) => {
    const { process } = cluster.workerAt(aim)
    process.freeze()
    await cluster.scheduler.sleep(lastsMs)
    process.thaw()
  }),
  'host-drain': grade([1012, 1001], RESTART_MS, async (cluster, { aim, lastsMs }) => {
    const ended = await cluster.drainHost(aim)
    await cluster.scheduler.sleep(lastsMs)
    for (const index of ended) cluster.startWorker(index)
  }),
  'clock-step': grade([], [0, 10_000], async (cluster, { aim, depth, lastsMs }) => {
    const stepMs = (depth - 0.5) * CLOCK_STEP_MS_MAX
    const { process } = cluster.programAt(aim)
    const { server } = cluster.redisAt(aim)
    process.stepWall(stepMs)
    server.clockStep += stepMs
    await cluster.scheduler.sleep(lastsMs)
    process.stepWall(-stepMs)
    server.clockStep -= stepMs
  }),
  'auth-down': grade([1013], [2000, 8000], async ({ tokens, scheduler }, { lastsMs }) => {
    tokens.down = true
    await scheduler.sleep(lastsMs)
    tokens.down = false
  }),
  'redis-restart': grade([], [0, 3000], async (cluster, { aim, lastsMs }) => {
    const host = cluster.redisAt(aim)
    host.stop()
    await cluster.scheduler.sleep(lastsMs)
    host.start()
  }),
  'redis-crash': grade([], [0, 3000], async (cluster, { aim, depth, lastsMs }) => {
    const host = cluster.redisAt(aim)
    host.stop()
    host.server.rollBack(Math.floor(depth * SNAPSHOTS_BACK_MAX))
    await cluster.scheduler.sleep(lastsMs)
    host.start()
  }),
  'redis-empty': grade([], [0, 3000], async (cluster, { aim, lastsMs }) => {
    const host = cluster.redisAt(aim)
    host.stop()
    host.server.rollBack(Infinity)
    await cluster.scheduler.sleep(lastsMs)
    host.start()
  }),
  'redis-freeze': grade([], [200, 10_000], async (cluster, { aim, lastsMs }) => {
    const host = cluster.redisAt(aim)
    host.freeze()
    await cluster.scheduler.sleep(lastsMs)
    host.thaw()
  }),
  'redis-clients': grade([], [0, 0], (cluster, { aim }) => {
    cluster.redisAt(aim).cut()
    return Promise.resolve()
  }),
  'redis-half-open': grade([], [3000, 10_000], async (cluster, { aim, depth, lastsMs }) => {
    const host = cluster.redisAt(aim)
    const { process } = cluster.programAt(depth)
    host.block((client) => client.process === process)
    await cluster.scheduler.sleep(lastsMs)
    host.cut((client) => client.process === process)
  }),
  'redis-loses': grade([], [200, 8000], async (cluster, { aim, depth, lastsMs }) => {
    const { server } = cluster.redisAt(aim)
    server.loses = () => cluster.chance(depth * LOSS_SHARE_MAX)
    await cluster.scheduler.sleep(lastsMs)
    server.loses = () => false
  }),
  'redis-refuses': grade([], [200, 5000], async (cluster, { aim, lastsMs }) => {
    const { server } = cluster.redisAt(aim)
    server.refusal = READONLY
    await cluster.scheduler.sleep(lastsMs)
    server.refusal = null
  }),
  'redis-key-deleted': grade([], [0, 0], (cluster, { aim, depth }) => {
    cluster.redisAt(aim).server.deletePartition(cluster.partitionAt(aim, depth))
    return Promise.resolve()
  }),
  'redis-failover': grade(
    [],
    [300, 4000],
    async (cluster, { aim, depth, lastsMs }) => {
      const host = cluster.redisAt(aim)
      host.server.refusal = READONLY
      await cluster.scheduler.sleep(lastsMs * depth)
      host.stop()
      host.server.refusal = null
      // What the replica had not got yet is lost.
      if (depth < 0.5) host.server.rollBack(0)
      await cluster.scheduler.sleep(lastsMs * (1 - depth))
      host.start()
    },
    { layouts: ['sentinel', 'cluster'] },
  ),
  'stream-trimmed': grade(
    CONTINUITY_LOST,
    [500, 5000],
    async (cluster, { lastsMs }) => {
      const dead = cluster.killIngests()
      await cluster.scheduler.sleep(lastsMs)
      cluster.broker.trim(0)
      for (const index of dead) cluster.startIngest(index)
    },
    { healsMs: 20_000 },
  ),
  'amqp-reset': grade([], [0, 0], (cluster) => {
    cluster.broker.cut()
    return Promise.resolve()
  }),
  'amqp-channel': grade([], [0, 0], (cluster, { aim }) => {
    cluster.ingestAt(aim).loseChannels()
    return Promise.resolve()
  }),
  'amqp-vanish': grade([], [HEARTBEATS_MS, HEARTBEATS_MS], async (cluster, { aim, lastsMs }) => {
    cluster.ingestAt(aim).loseBroker(cluster.scheduler)
    await cluster.scheduler.sleep(lastsMs)
  }),
  'rabbit-blocked': grade([], [500, 8000], async ({ broker, scheduler }, { lastsMs }) => {
    broker.blocked = true
    await scheduler.sleep(lastsMs)
    broker.blocked = false
  }),
  'rabbit-restart': grade(
    CONTINUITY_LOST,
    [0, 2000],
    async ({ broker, scheduler }, { lastsMs }) => {
      broker.stop()
      await scheduler.sleep(lastsMs)
      broker.start()
    },
    { healsMs: 20_000 },
  ),
  'rabbit-leader': grade(
    CONTINUITY_LOST,
    [20, 3000],
    async ({ broker, scheduler }, { lastsMs }) => {
      broker.changeLeader(lastsMs)
      await scheduler.sleep(lastsMs)
    },
    { layouts: ['cluster'], healsMs: 20_000 },
  ),
} as const satisfies Record<string, Grade>

export type Kind = keyof typeof KINDS

export function kindsOf(layout: Layout): Kind[] {
  return (Object.keys(KINDS) as Kind[]).filter((kind) => {
    const { layouts }: Grade = KINDS[kind]
    return layouts.includes(layout)
  })
}

const PAUSE_MS = [0, 4000] as const

const EMPTIES_REDIS: ReadonlySet<Kind> = new Set<Kind>([
  ...(['redis-crash', 'redis-empty', 'redis-failover', 'redis-key-deleted'] as const),
])
const LOSES_BROKER: ReadonlySet<Kind> = new Set<Kind>([
  'amqp-vanish',
  'ingest-freeze',
  'ingest-kill',
  'ingests-dead',
])
/** The places that sessions have left may be lost, or could not be left. */
const FORGETS: ReadonlySet<Kind> = new Set<Kind>([
  ...EMPTIES_REDIS,
  ...(['redis-restart', 'redis-freeze', 'redis-clients', 'redis-half-open', 'redis-refuses'] as const),
  'clock-step',
])
const ENDS_MEMORY: ReadonlySet<Kind> = new Set<Kind>(['ingest-kill', 'ingests-dead', 'stream-trimmed'])

/** Close codes that faults which come together may give to started sessions. */
export function codesOf(group: FaultGroup): readonly number[] {
  const kinds = group.map(({ kind }) => kind)
  // Redis loses the numbering, and with the ingests goes the memory of it.
  const isForgotten =
    kinds.some((kind) => EMPTIES_REDIS.has(kind)) && kinds.some((kind) => ENDS_MEMORY.has(kind))
  // No ingest is connected to the broker for longer than its grace.
  const isUnread = kinds.includes('amqp-vanish') && kinds.filter((kind) => LOSES_BROKER.has(kind)).length > 1
  return [...kinds.flatMap((kind) => KINDS[kind].codes), ...(isForgotten || isUnread ? CONTINUITY_LOST : [])]
}

/** Whether faults that come together may cost the places that sessions have left. */
export function forgets(group: FaultGroup): boolean {
  return (
    codesOf(group).some((code) => CONTINUITY_LOST.includes(code)) ||
    group.some(({ kind }) => FORGETS.has(kind))
  )
}

/** Faults that come together, one a moment after the other. */
export type FaultGroup = readonly Fault[]

const TOGETHER_SHARE = 0.4
const APART_MS = [0, 1500] as const

/** The faults of one run, decided by its seed. */
export function scheduleOf(random: Random, kinds: readonly Kind[], count: number): FaultGroup[] {
  return Array.from({ length: count }, () => {
    const group = [faultOf(random, kinds, PAUSE_MS)]
    while (random.chance(TOGETHER_SHARE)) group.push(faultOf(random, kinds, APART_MS))
    return group
  })
}

function faultOf(random: Random, kinds: readonly Kind[], pauseMs: readonly [number, number]): Fault {
  const kind = random.pick(kinds)
  const [aim, depth] = [random.next(), random.next()]
  return {
    kind,
    pauseMs: random.between(...pauseMs),
    lastsMs: random.between(...KINDS[kind].lastsMs),
    aim,
    depth,
  }
}
