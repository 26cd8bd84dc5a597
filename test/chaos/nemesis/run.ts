import { setTimeout as sleep } from 'node:timers/promises'
import { MASTER_TENANT } from '../../support/auth.mjs'
import type { FaultWindow, History, Holding } from '../checker/history.js'
import { Catalogue } from '../load/catalogue.js'
import { now } from '../load/clock.js'
import { RunRecord } from '../load/record.js'
import { RedisTap } from '../load/redis-tap.js'
import { hostOf, inject } from './faults.js'
import { awaitWell } from './health.js'
import { holdingsOf } from './holdings.js'
import { KINDS, type Kind } from './kinds.js'
import { Load } from './load.js'
import { Rig } from './rig.js'
import { schedule, type Fault } from './schedule.js'
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

export interface RunOptions {
  readonly seed: number
  readonly minutes: number
  readonly kinds: readonly Kind[]
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
  const rig = await Rig.start()
  const record = new RunRecord()
  const load = new Load(record)
  const tap = new RedisTap(rig.cluster.redis.url)
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
    const { seed, minutes, kinds } = this.options
    load.begin(rig.urls, rig.amqpUrl, rig.cluster.auth.url, seed)
    if (!(await awaitWell(rig, load, FIRST_MS_MAX))) throw new Error('the cluster did not start to work')
    this.options.print(`seed ${seed}: ${minutes} minutes, ${kinds.length} kinds of faults`)
    const until = now() + minutes * 60_000
    for (const fault of schedule(seed, kinds, ROUNDS)) {
      if (now() >= until || this.broken !== null) break
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
    await inject(fault, {
      rig,
      publishing: () => this.tally.publishing,
      moved: () => load.hosts(rig.urls),
    })
    const injectedAt = now()
    const healedInTime = await this.untilWell(healsMs)
    if (!healedInTime && !(await this.untilWell(PATIENCE_MS)))
      this.broken = `the cluster did not recover from ${fault.kind}`
    const to = now()
    const host = hostOf(fault, rig.hosts.length)
    const stallMsMax = stallMs === null ? null : fault.lastsMs + stallMs
    this.windows.push({ kind: fault.kind, from, to, codes, host, healedInTime, stallMsMax })
    const [lasted, healed] = [injectedAt - from, to - injectedAt].map((ms) => (ms / 1000).toFixed(1))
    this.options.print(`${fault.kind}: ${lasted!} s, well ${healed!} s later; ${load.deliveries} deliveries`)
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
