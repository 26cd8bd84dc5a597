import { check } from '../support/checker/check.js'
import type { FaultWindow, History, Violation } from '../support/checker/history.js'
import { MASTER_TENANT } from '../support/auth.mjs'
import { Random } from '../support/scenario/random.js'
import { seatsFor } from '../support/scenario/seats.js'
import { SimulatedCluster } from './cluster.js'
import type { Coverage } from './coverage.js'
import { withSeed } from './determinism.js'
import {
  codesOf,
  forgets,
  KINDS,
  kindsOf,
  scheduleOf,
  type Fault,
  type FaultGroup,
  type Kind,
  type Layout,
} from './faults.js'
import { Occupant } from './occupants.js'
import { Scheduler } from './scheduler.js'
import { untoldLosses } from './untold.js'

export interface EpisodeOptions {
  readonly seed: number
  readonly layout: Layout
  /** Of these kinds, unless all. */
  readonly kinds?: readonly Kind[]
  /** These, instead of those that the seed gives. */
  readonly faults?: readonly FaultGroup[]
  /** Counts the states that are met. */
  readonly coverage?: Coverage
  /** Takes what happens, with the virtual time in milliseconds. */
  readonly tell?: (at: number, line: string) => void
}

export interface EpisodeResult {
  readonly violations: readonly Violation[]
  readonly faults: readonly FaultGroup[]
  readonly deliveries: number
  /** Connections of clients that were cut, tokens deleted, and messages that Redis lost on their way. */
  readonly struck: number
  readonly sessions: number
  readonly virtualMs: number
  readonly steps: number
  /** The same for the same seed. */
  readonly trace: string
}

const FAULTS = 12
const DELIVERY_MS_MAX = 8000
const FIRST_MS_MAX = 30_000
const PATIENCE_MS = 60_000
const POLL_MS = 25
const PROBE_MS = 50
/** A bus is quiet, usual or busy. */
const EVENTS_PER_SECOND = [10, 60, 60, 200, 600]
const STREAM_READ_MS = 3000
/** A shorter change of the leader may go unnoticed (docs/adr/0011). */
const NOTICED_MS_MIN = 200
/** Each part of a run draws from numbers of its own, so that a shorter list of faults changes no other part. */
const SALTS = { schedule: 1, seats: 2, cluster: 3, load: 4, chance: 5, occupants: 6, ties: 7 }

/** Runs one simulated cluster through its faults, and judges what was seen. The same options give the same result. */
export function runEpisode(options: EpisodeOptions): Promise<EpisodeResult> {
  return withSeed(options.seed * 8 + SALTS.chance, async () => {
    const scheduler = new Scheduler(randomOf(options.seed, 'ties'))
    const episode = new Episode(options, scheduler)
    return scheduler.run(episode.run())
  })
}

function randomOf(seed: number, part: keyof typeof SALTS): Random {
  return new Random(Math.imul(seed, 0x9e3779b1) ^ (SALTS[part] * 0x85ebca6b))
}

class Episode {
  private readonly options: EpisodeOptions
  private readonly scheduler: Scheduler
  private readonly cluster: SimulatedCluster
  private readonly occupants: Occupant[]
  private readonly windows: FaultWindow[] = []
  /** By the name of a sentinel's seat, and partition: the last event that it got. */
  private readonly reached = new Map<string, number[]>()
  private resting = false
  private quiet = false
  private deliveries = 0

  constructor(options: EpisodeOptions, scheduler: Scheduler) {
    const { seed, layout, tell, coverage } = options
    this.options = options
    this.scheduler = scheduler
    const isHeard = tell !== undefined || coverage !== undefined
    const log = (process: { readonly name: string }, line: string): void => {
      coverage?.line(line)
      tell?.(scheduler.now, `${process.name}: ${line}`)
    }
    const cluster = (this.cluster = new SimulatedCluster(
      scheduler,
      randomOf(seed, 'cluster'),
      layout,
      isHeard ? log : null,
    ))
    const world = {
      ...{ scheduler, tokens: cluster.tokens, daemons: cluster.daemons, catalogue: cluster.catalogue },
      workers: (host: number | null) =>
        cluster.running(host).filter((worker) => worker.notReadyReasons().length === 0),
      resting: () => this.resting,
      received: ({ name, sentinel }: { name: string; sentinel: boolean }, id: number) => {
        this.deliveries++
        if (sentinel) this.noteReached(name, id)
      },
    }
    const random = randomOf(seed, 'occupants')
    this.occupants = seatsFor(seed, cluster.hosts).map(
      (seat) => new Occupant(seat, new Random(random.next() * 2 ** 32), world),
    )
  }

  async run(): Promise<EpisodeResult> {
    const { seed, layout, kinds = kindsOf(layout) } = this.options
    const faults = this.options.faults ?? scheduleOf(randomOf(seed, 'schedule'), kinds, FAULTS)
    this.publish(randomOf(seed, 'load'))
    for (const occupant of this.occupants) void occupant.live()
    const missing = await this.untilWell(FIRST_MS_MAX)
    if (missing !== null) return this.result(faults, [unwell('the start', missing)])
    for (const group of faults) {
      const broken = await this.suffer(group)
      if (broken !== null) return this.result(faults, [broken])
    }
    await this.settle()
    const history = this.history()
    return this.result(faults, [...check(history), ...this.untold(history)])
  }

  private async suffer(group: FaultGroup): Promise<Violation | null> {
    const [first] = group
    if (first === undefined) return null
    await this.scheduler.sleep(first.pauseMs)
    const from = this.scheduler.now
    const kind = group.map((fault) => fault.kind).join(' + ')
    await Promise.all(group.map((fault, index) => this.inject(fault, index === 0 ? 0 : fault.pauseMs)))
    const healsMs = group.reduce((sum, fault) => sum + KINDS[fault.kind].healsMs, 0)
    const late = await this.untilWell(healsMs)
    const missing = late === null ? null : await this.untilWell(PATIENCE_MS)
    this.tell(`--- well again after ${kind}`)
    this.windows.push({
      ...{ kind, from, to: this.scheduler.now, codes: codesOf(group) },
      ...{ host: null, healedInTime: true, stallMsMax: null, forgets: forgets(group) },
    })
    if (missing !== null) return unwell(kind, missing)
    return late === null ? null : unwell(`${kind} in ${healsMs} ms`, late)
  }

  private async inject(fault: Fault, delayMs: number): Promise<void> {
    await this.scheduler.sleep(delayMs)
    this.tell(`--- ${fault.kind} for ${Math.round(fault.lastsMs)} ms`)
    await KINDS[fault.kind].inject(this.cluster, fault)
  }

  /** Resolves with null once all is well, or after `limitMs` with what is missing. */
  private async untilWell(limitMs: number): Promise<string | null> {
    const { scheduler, cluster } = this
    const deadline = scheduler.now + limitMs
    let reasons = cluster.notReadyReasons()
    for (; reasons.length > 0; reasons = cluster.notReadyReasons()) {
      if (scheduler.now > deadline) return reasons.join('; ')
      await scheduler.sleep(POLL_MS)
    }
    for (const [partition, shape] of cluster.probes)
      for (let last = 0; last === 0 || this.slowest(partition) < last;) {
        if (scheduler.now > deadline) return `partition ${partition}: no event gets to every host`
        // More than one: an event that is published while the stream changes its leader is lost.
        cluster.daemons.publish(shape)
        if (last === 0) last = cluster.daemons.published.length
        await scheduler.sleep(PROBE_MS)
      }
    return null
  }

  private noteReached(name: string, id: number): void {
    const reached = this.reached.get(name) ?? []
    this.reached.set(name, reached)
    reached[this.cluster.partitionOfEvent(id)] = id
  }

  /** The last event of a partition that every sentinel has got; -1: one of them is not there. */
  private slowest(partition: number): number {
    const sentinels = this.occupants.filter(({ seat }) => seat.sentinel)
    return Math.min(
      ...sentinels.map(({ started, seat }) =>
        started ? (this.reached.get(seat.name)?.[partition] ?? 0) : -1,
      ),
    )
  }

  private publish(random: Random): void {
    const { scheduler, cluster } = this
    const perSecond = random.pick(EVENTS_PER_SECOND)
    const next = (): void => {
      if (this.quiet) return
      cluster.daemons.publish(cluster.catalogue.pick(random))
      const gap = -Math.log(1 - random.next()) * (1000 / perSecond)
      scheduler.after(gap, next, null)
    }
    next()
  }

  private async settle(): Promise<void> {
    this.resting = true
    await this.scheduler.sleep(STREAM_READ_MS)
    this.quiet = true
    await this.scheduler.sleep(DELIVERY_MS_MAX + STREAM_READ_MS)
  }

  private history(): History {
    const { cluster, windows, scheduler } = this
    return {
      masterTenant: MASTER_TENANT,
      deliveryMsMax: DELIVERY_MS_MAX,
      shapes: cluster.shapes,
      published: cluster.daemons.published,
      stream: cluster.stream,
      tokens: [...cluster.tokens.tokens.values()],
      sessions: this.occupants.flatMap(({ sessions }) => sessions),
      faults: windows,
      batches: cluster.batches,
      heads: cluster.heads,
      holdings: [],
      endedAt: scheduler.now,
    }
  }

  private untold({ published, stream, sessions, endedAt }: History): Violation[] {
    // With no ingest attached a change may go unnoticed (ARCHITECTURE.md, silent losses).
    const changes = this.cluster.broker.changes.filter(
      ({ from, to, watched }) => watched && to - from >= NOTICED_MS_MIN,
    )
    return untoldLosses(changes, published, stream, sessions, endedAt)
  }

  private result(faults: readonly FaultGroup[], violations: readonly Violation[]): EpisodeResult {
    const { deliveries, scheduler } = this
    for (const { sessions } of this.occupants)
      for (const session of sessions) this.options.coverage?.session(session)
    const lost = this.cluster.redis.reduce((sum, { server }) => sum + server.lost, 0)
    return {
      struck: this.occupants.reduce((sum, { struck }) => sum + struck, lost),
      ...{
        violations,
        faults,
        deliveries,
        virtualMs: scheduler.now,
        steps: scheduler.steps,
        trace: scheduler.trace,
      },
      sessions: this.occupants.reduce((sum, { sessions }) => sum + sessions.length, 0),
    }
  }

  private tell(line: string): void {
    this.options.tell?.(this.scheduler.now, line)
  }
}

function unwell(what: string, missing: string): Violation {
  return { invariant: 'I2', what: `the cluster did not get well after ${what}: ${missing}` }
}
