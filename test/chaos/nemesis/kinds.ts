/** The faults that a cluster has to survive, with what sessions may notice of each. */

/** Close codes that a fault may give to started sessions. */
const NOBODY_NOTICES: readonly number[] = []
const PROCESS_ENDS: readonly number[] = [1006]
const NO_VERDICT: readonly number[] = [1013]
const CONTINUITY_LOST: readonly number[] = [1011]
/** What a hand-over could not pass, or all of a drain: the next session of the token goes on where this one was. */
const COME_BACK: readonly number[] = [1012]

/** Beyond what is promised: starting processes on a machine that is busy with the whole cluster and its load. */
const MACHINE_MS = 12_000
/** A worker that loads its code, or an ingest that publishes all of the history again, on such a machine. */
const WORK_MS = 30_000

export interface Grade {
  readonly codes: readonly number[]
  /** How long it lasts, from and to; for most, until what was stopped is started again. */
  readonly lastsMs: readonly [number, number]
  /** How long after its end the cluster may need to be well again. */
  readonly healsMs: number
  /** For so long beyond its own duration (see GOES_ON) an event may be held up; null: not measured. */
  readonly stallMs: number | null
}

function grade(
  codes: readonly number[],
  lastsMs: readonly [number, number],
  stallMs: number | null,
  healsMs = MACHINE_MS,
): Grade {
  return { codes, lastsMs, healsMs, stallMs }
}

export const KINDS = {
  'ingest-kill': grade(NOBODY_NOTICES, [0, 0], 4000),
  'ingest-freeze': grade(NOBODY_NOTICES, [2000, 25_000], null),
  'ingests-dead': grade(NOBODY_NOTICES, [3000, 20_000], null),
  'worker-kill': grade(PROCESS_ENDS, [0, 0], 4000, WORK_MS),
  'edge-kill': grade(PROCESS_ENDS, [0, 0], null, WORK_MS),
  'edge-upgrade': grade(COME_BACK, [0, 0], 8000, WORK_MS),
  'edge-upgrade-kill': grade([...COME_BACK, ...PROCESS_ENDS], [0, 10_000], null, WORK_MS),
  'edge-restart': grade(COME_BACK, [0, 3000], null, WORK_MS),
  'redis-restart': grade(NOBODY_NOTICES, [0, 3000], null),
  'redis-crash': grade(NOBODY_NOTICES, [0, 3000], null, WORK_MS),
  'redis-empty': grade(NOBODY_NOTICES, [0, 3000], null, WORK_MS),
  'redis-freeze': grade(NOBODY_NOTICES, [1000, 10_000], 5000),
  'redis-clients': grade(NOBODY_NOTICES, [0, 0], 5000),
  'redis-half-open': grade(NOBODY_NOTICES, [4000, 10_000], 8000),
  'amqp-reset': grade(NOBODY_NOTICES, [0, 0], 6000),
  'amqp-channel': grade(NOBODY_NOTICES, [0, 0], 6000),
  'auth-down': grade(NO_VERDICT, [2000, 8000], 3000),
  'auth-500': grade(NO_VERDICT, [2000, 8000], 3000),
  'auth-slow': grade(NO_VERDICT, [2000, 12_000], 3000),
  'expiry-wiped': grade(NOBODY_NOTICES, [0, 0], 3000),
  'rabbit-restart': grade(CONTINUITY_LOST, [0, 2000], null, 45_000),
  'rabbit-leader-kill': grade(CONTINUITY_LOST, [0, 3000], null, 45_000),
  'rabbit-node-kill': grade(CONTINUITY_LOST, [0, 3000], null, 45_000),
  'rabbit-writer-kill': grade(CONTINUITY_LOST, [0, 0], null, WORK_MS),
  'redis-master-kill': grade(NOBODY_NOTICES, [0, 3000], 10_000),
  'redis-master-freeze': grade(NOBODY_NOTICES, [3000, 15_000], 10_000),
  'redis-failover': grade(NOBODY_NOTICES, [0, 0], 8000),
  'redis-reshard': grade(NOBODY_NOTICES, [6000, 12_000], 5000),
} as const satisfies Record<string, Grade>

export type Kind = keyof typeof KINDS

const ONLY_SINGLE: readonly Kind[] = [
  ...(['redis-restart', 'redis-crash', 'redis-freeze', 'redis-half-open', 'rabbit-restart'] as const),
]
const ONLY_CLUSTER: readonly Kind[] = [
  ...(['rabbit-leader-kill', 'rabbit-node-kill', 'rabbit-writer-kill'] as const),
  ...(['redis-master-kill', 'redis-master-freeze', 'redis-failover', 'redis-reshard'] as const),
]

/** What each lay-out of brokers has to survive. */
export const KINDS_OF: Readonly<Record<'single' | 'cluster', readonly Kind[]>> = {
  single: except(ONLY_CLUSTER),
  cluster: except(ONLY_SINGLE),
}

export type Layout = keyof typeof KINDS_OF

function except(others: readonly Kind[]): Kind[] {
  return (Object.keys(KINDS) as Kind[]).filter((kind) => !others.includes(kind))
}

/** What `--upgrades` is made of. */
export const KINDS_OF_UPGRADES: readonly Kind[] = ['edge-upgrade', 'edge-upgrade-kill', 'worker-kill']

/** Faults that hit one edge host alone. */
export const OF_ONE_HOST: ReadonlySet<Kind> = new Set<Kind>([
  ...(['worker-kill', 'edge-kill', 'edge-upgrade', 'edge-upgrade-kill', 'edge-restart'] as const),
  'redis-half-open',
])

/** Faults in which events go on long before the fault is taken away: their own duration does not count. */
export const GOES_ON: ReadonlySet<Kind> = new Set<Kind>(['redis-master-freeze', 'redis-reshard'])

/** Faults in which the places that drained sessions have left are lost or cannot be left, or are void afterwards. */
export const FORGETTING: ReadonlySet<Kind> = new Set<Kind>([
  ...(['redis-restart', 'redis-crash', 'redis-empty', 'redis-freeze', 'redis-clients'] as const),
  ...(['redis-half-open', 'rabbit-restart'] as const),
  ...ONLY_CLUSTER,
])

/** Faults that are known to lead to each of what a valid run has to have seen. */
export const LEADS_TO: Readonly<Record<'recovery' | 'takeover' | 'ROLLED or EMPTY', readonly Kind[]>> = {
  recovery: [
    'redis-clients',
    'redis-half-open',
    'redis-restart',
    'redis-crash',
    'redis-empty',
    'redis-freeze',
    'redis-master-kill',
    'redis-master-freeze',
    'redis-failover',
  ],
  takeover: ['ingest-kill', 'ingest-freeze'],
  'ROLLED or EMPTY': ['redis-crash', 'redis-empty'],
}
