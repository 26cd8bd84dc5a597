import { setTimeout as sleep } from 'node:timers/promises'
import { MASTER_TENANT } from '../../support/auth.mjs'
import type { FaultWindow, History, Holding, Upgrade } from '../../support/checker/history.js'
import { Catalogue } from '../../support/scenario/catalogue.js'
import { now } from '../load/clock.js'
import { RunRecord } from '../load/record.js'
import { RedisTap } from '../load/redis-tap.js'
import { hostOf, inject } from './faults.js'
import { awaitWell } from './health.js'
import { holdingsOf } from './holdings.js'
import { FORGETTING, GOES_ON, KINDS, type Kind, type Layout } from './kinds.js'
import { Load } from './load.js'
import { Rig } from './rig.js'
import { schedule, scheduleOfUpgrades, type Fault } from './schedule.js'
import { Tally, type Counts } from './tally.js'

/** An event that takes longer without a fault is missed; for a machine that is busy with all this. */
const DELIVERY_MS_MAX = 10_000
const FIRST_MS_MAX = 60_000
/** A cluster that is not well after this much more will not be. */
const PATIENCE_MS = 60_000
const LEAVE_MS_MAX = 30_000
const EVERY_MS = 100
/** More than the time of any run has room for. */
const ROUNDS = 2000
/** Of the upgrades wanted: those that fail, because of workers that are killed meanwhile, are made up for. */
const ATTEMPTS_SHARE_MAX = 2

export interface RunOptions {
  readonly seed: number
  readonly minutes: number
  /** Each kind so many times, and then the end; null: as often as there is time for. */
  readonly rounds: number | null
  readonly layout: Layout
  readonly kinds: readonly Kind[]
  /** So many that succeed, and then the end; null: `minutes` of `kinds`. */
  readonly upgrades: number | null
  readonly print: (line: string) => void
  /** Aborted: end now, without a verdict. */
  readonly signal: AbortSignal
}

export interface Outcome {
  readonly history: History
  readonly counts: Counts
  /** What made the run end early; null: its time was over. */
  readonly broken: string | null
}

/** One run from the start of the cluster to its end. Rejects when it is aborted. */
export async function run(options: RunOptions): Promise<Outcome> {
  const rig = await Rig.start(options.layout)
  const record = new RunRecord()
  const load = new Load(record)
  const tap = new RedisTap(rig.brokers.redis)
  const tally = new Tally(rig)
  try {
    return await new Run(options, rig, record, load, tap, tally).all()
  } finally {
    tally.stop()
    await Promise.all([tap.stop(), load.stop()])
    await rig.stop()
  }
}

class Run {
  private readonly options: RunOptions
  private readonly rig: Rig
  private readonly record: RunRecord
  private readonly load: Load
  private readonly tap: RedisTap
  private readonly tally: Tally
  private readonly windows: FaultWindow[] = []
  private broken: string | null = null

  constructor(options: RunOptions, rig: Rig, record: RunRecord, load: Load, tap: RedisTap, tally: Tally) {
    this.options = options
    this.rig = rig
    this.record = record
    this.load = load
    this.tap = tap
    this.tally = tally
  }

  async all(): Promise<Outcome> {
    const { rig, load } = this
    const { seed, minutes, rounds, kinds, upgrades } = this.options
    load.begin(rig.urls, rig.amqpUrls, rig.cluster.auth.url, seed)
    if (!(await awaitWell(rig, load, FIRST_MS_MAX))) throw new Error('the cluster did not start to work')
    this.options.print(`seed ${seed}: ${lengthOf(this.options)}, ${kinds.length} kinds of faults`)
    const until = now() + minutes * 60_000
    const faults =
      upgrades === null ? schedule(seed, kinds, rounds ?? ROUNDS) : scheduleOfUpgrades(seed, ROUNDS)
    for (const fault of faults) {
      if (now() >= until || this.hasUpgraded() || this.broken !== null) break
      await this.one(fault)
    }
    const endedAt = await this.settle()
    await this.end()
    const holdings = this.broken === null ? await holdingsOf(rig) : []
    await this.tally.read()
    return { history: this.history(holdings, endedAt), counts: this.tally.counts, broken: this.broken }
  }

  private async one(fault: Fault): Promise<void> {
    const { rig, load } = this
    const { codes, healsMs, stallMs } = KINDS[fault.kind]
    await this.pause(fault.pauseMs)
    const from = now()
    let upgrade: Upgrade | undefined
    await inject(fault, {
      rig,
      publishing: () => this.tally.publishing,
      moved: () => load.hosts(rig.urls),
      upgraded: (how) => (upgrade = how),
    })
    const injectedAt = now()
    const healedInTime = await this.untilWell(healsMs)
    if (!healedInTime && !(await this.untilWell(PATIENCE_MS)))
      this.broken = `the cluster did not recover from ${fault.kind}`
    const to = now()
    const host = hostOf(fault, rig.hosts.length)
    const lastsMs = GOES_ON.has(fault.kind) ? 0 : fault.lastsMs
    const stallMsMax = stallMs === null ? null : lastsMs + stallMs
    const forgets = FORGETTING.has(fault.kind)
    this.windows.push({
      ...{ kind: fault.kind, from, to, codes, host, healedInTime, stallMsMax, forgets },
      ...(upgrade && { upgrade }),
    })
    const [lasted, healed] = [injectedAt - from, to - injectedAt].map((ms) => (ms / 1000).toFixed(1))
    const more = upgrade === undefined ? '' : ` ${upgradeLine(upgrade)};`
    this.options.print(
      `${fault.kind}: ${lasted!} s,${more} well ${healed!} s later; ${load.deliveries} deliveries`,
    )
  }

  /** Those that were asked for, and no more. */
  private hasUpgraded(): boolean {
    const { upgrades } = this.options
    if (upgrades === null) return false
    const results = this.windows.flatMap(({ upgrade }) => upgrade?.result ?? [])
    if (results.length >= upgrades * ATTEMPTS_SHARE_MAX) this.broken ??= 'too many upgrades failed'
    return results.filter((result) => result === 'success').length >= upgrades
  }

  private async untilWell(limitMs: number): Promise<boolean> {
    const well = await awaitWell(this.rig, this.load, limitMs)
    this.options.signal.throwIfAborted()
    this.broken ??= this.load.broken
    return well
  }

  /** Long enough without faults that whatever is missing is overdue. Gives the end of what is judged. */
  private async settle(): Promise<number> {
    this.load.rest('clients')
    await this.pause(2000)
    this.load.rest('bus')
    await this.pause(DELIVERY_MS_MAX + 3000)
    return now()
  }

  private async end(): Promise<void> {
    this.load.leave()
    for (const until = now() + LEAVE_MS_MAX; !this.load.hasLeft && now() < until;) await sleep(EVERY_MS)
    if (!this.load.hasLeft) this.broken ??= 'the clients have not reported all of their sessions'
  }

  private async pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.options.signal })
  }

  private history(holdings: readonly Holding[], endedAt: number): History {
    const { record, tap, windows } = this
    return {
      masterTenant: MASTER_TENANT,
      deliveryMsMax: DELIVERY_MS_MAX,
      shapes: new Catalogue().shapes,
      published: [...record.events.values()],
      stream: record.stream,
      tokens: [...record.tokens.values()],
      sessions: record.sessions,
      faults: windows,
      batches: tap.batches,
      heads: tap.heads,
      holdings,
      endedAt,
    }
  }
}

function lengthOf({ minutes, rounds, upgrades }: RunOptions): string {
  if (upgrades !== null) return `${upgrades} upgrades`
  return rounds === null ? `${minutes} minutes` : `${rounds} rounds`
}

function upgradeLine({ result, handovers, kills }: Upgrade): string {
  const how = Object.entries(handovers).map(([name, connections]) => `${connections} ${name}`)
  const killed = kills > 0 ? ', a worker killed meanwhile' : ''
  return `${result} (${how.join(', ') || 'no connection to pass on'})${killed}`
}
