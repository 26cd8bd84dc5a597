import {
  decode,
  EnvelopeError,
  type SealedBatch,
  type StateMessage,
} from '@wazo-websocketd/shared/domain/envelope'
import type { Offset, Position } from '@wazo-websocketd/shared/domain/position'
import type { Clock, Timer } from '@wazo-websocketd/shared/runtime/clock'
import type { RedisConnections } from '@wazo-websocketd/shared/redis/connections'
import { keys } from '@wazo-websocketd/shared/redis/layout'
import { OutageLog } from '@wazo-websocketd/shared/runtime/outage-log'
import type { LineLog } from '@wazo-websocketd/shared/runtime/line-log'
import type { Logger } from 'pino'
import { IngestStatus, type IngestGraces } from './ingest-status.js'
import { RedisLog } from './log.js'
import type { BusMetrics } from './metrics.js'
import { Partition } from './partition.js'
import type { Bus, BusListener, BusReport, LogSink, PartitionLease, Reach } from './ports.js'
import { SharedLog } from './shared-log.js'

const TICK_MS = 200
/** A tick that is so late shows that the process itself was stopped: what it did not hear meanwhile lies in its sockets. */
const TICK_LATE_MS = 2_000
/** A partition without sessions stays subscribed for a while: most come back. */
const IDLE_MS = 30_000
/** All unreadable messages are counted, but at most one in this time is logged. */
const UNREADABLE_LOG_INTERVAL_MS = 10_000
/** Every partition carries the states of the ingests; this one is always subscribed, others only while it is not. */
const STATES_PARTITION = 0
/** After each time so long without any subscription, one more partition is subscribed for the states. */
const SPARE_AFTER_MS = 1_000
/** An ingest may start as late as this worker, and needs a moment after Redis was away. */
const INGEST_GRACE_MS = 5_000
const NO_INGEST =
  'waiting for an ingest: none is up, clients get 1013 until one is; start wazo-websocketd-ingest, or look into its log'

export interface RedisBusOptions extends IngestGraces {
  /** `redis.prefix`. */
  readonly prefix: string
  /** Number of Redis's database; 0 unless given. */
  readonly database?: number
  /** `redis.partitions`, which has to be that of the ingests. */
  readonly partitions: number
  /** `redis.lost_grace`. */
  readonly redisLostGraceMs: number
  readonly connections: RedisConnections
  readonly clock: Clock
  readonly logger: Logger
  /** For what all workers of the host say alike; `logger` unless given. */
  readonly hostLog?: LineLog
  readonly metrics: BusMetrics
  readonly listener: BusListener
  /** How many clients were closed or turned away so far, in all: for the line that ends a wait for an ingest. */
  readonly clients?: () => number
}

/** A partition in use, and the number of leases that use it. */
interface PartitionUse {
  readonly number: number
  readonly channel: string
  readonly partition: Partition
  leases: number
  idleTimer: Timer | null
  /** Whether its subscription is confirmed. */
  subscribed: boolean
}

/** Keeps partitions subscribed for one session, for as long as it lives. */
class Lease implements PartitionLease {
  readonly numbers: readonly number[]
  private readonly bus: RedisBus
  /** Waits for the partitions to be live. */
  private task: (() => void) | null = null
  private released = false

  constructor(bus: RedisBus, numbers: readonly number[]) {
    this.bus = bus
    this.numbers = numbers
  }

  whenLive(task: () => void): void {
    if (this.released) return
    this.task = task
    this.bus.awaitLive(this)
  }

  /** Runs what waits: the partitions are live. */
  runTask(): void {
    queueMicrotask(() => {
      const { task } = this
      this.task = null
      task?.()
    })
  }

  release(): void {
    if (this.released) return
    this.released = true
    this.task = null
    this.bus.returnLease(this)
  }
}

/** Reads the bus, over Redis. */
export class RedisBus implements Bus {
  private readonly options: RedisBusOptions
  private readonly log: RedisLog
  private readonly sharedLog: SharedLog
  private readonly ingests: IngestStatus
  private readonly ingestWait: OutageLog
  private readonly inUse = new Map<number, PartitionUse>()
  /** Leases whose partitions are not all live yet. */
  private readonly waiters = new Set<Lease>()
  /** Since when no subscription is confirmed, so that no state of an ingest can arrive; null: one is confirmed. */
  private unsubscribedSince: number | null
  /** Partitions in use for the states alone. */
  private spares: number[] = []
  private ticking: Timer | null = null
  private tickedAt: number
  private reportedReasons = ''
  private lossReported = false
  /** The number of partitions that an ingest which is up has announced last. */
  private announcedPartitions: number | null = null
  private unreadableLoggedAt = -Infinity

  constructor(options: RedisBusOptions) {
    const { prefix, database, clock, connections } = options
    this.options = options
    this.tickedAt = clock.monotonic()
    this.unsubscribedSince = this.tickedAt
    this.ingests = new IngestStatus(options, this.tickedAt)
    const { logger, hostLog: log = logger, clients } = options
    this.ingestWait = new OutageLog({
      over: 'an ingest is up',
      clock,
      log,
      graceMs: INGEST_GRACE_MS,
      ...(clients === undefined ? {} : { clients }),
    })
    const commands = (partition: number) =>
      connections.at(keys(prefix, partition, database).live)?.commands ?? null
    this.log = new RedisLog({ prefix, clock, commands })
    this.sharedLog = new SharedLog(this.log, clock)
  }

  start(): void {
    this.use(STATES_PARTITION)
    this.tick()
  }

  stop(): void {
    this.ticking?.cancel()
    this.ingestWait.close()
    for (const use of this.inUse.values()) this.drop(use)
  }

  notReadyReasons(): readonly string[] {
    const reasons: string[] = []
    const uses = [...this.inUse.values()]
    if (!uses.some(({ channel }) => this.options.connections.at(channel)?.serves))
      reasons.push('redis: not connected')
    const state = this.ingests.state(this.options.clock.monotonic())
    if (state !== 'up') reasons.push(`bus: no ingest is up (${state})`)
    if (this.partitionsDiffer())
      reasons.push(
        `bus: the ingests use ${this.announcedPartitions} partitions, not ${this.options.partitions} (redis.partitions)`,
      )
    // A partition that cannot be followed concerns its own sessions only: the worker serves those of the others.
    const ofPartitions = uses.flatMap(({ partition }) => partition.notReadyReason() ?? [])
    return ofPartitions.length < uses.length ? reasons : [...reasons, ...ofPartitions]
  }

  /** What operators are told of it. */
  report(): BusReport {
    return {
      ingests: this.ingests.list(this.options.clock.monotonic()),
      partitions: [...this.inUse.values()].map(({ number, partition, subscribed }) => ({
        partition: number,
        live: partition.live,
        subscribed,
        epoch: partition.position?.epoch ?? null,
        offset: partition.position?.offset ?? null,
      })),
    }
  }

  lease(partitions: readonly number[]): PartitionLease {
    for (const partition of partitions) {
      const use = this.use(partition)
      use.leases++
      use.idleTimer?.cancel()
      use.idleTimer = null
    }
    return new Lease(this, partitions)
  }

  /** Has a lease wait for its partitions to be live. */
  awaitLive(lease: Lease): void {
    this.waiters.add(lease)
    this.admitWaiters()
  }

  /** Takes a lease back. */
  returnLease(lease: Lease): void {
    this.waiters.delete(lease)
    for (const number of lease.numbers) this.release(number)
  }

  cursor(partition: number): Position | null {
    return this.inUse.get(partition)?.partition.position ?? null
  }

  readLog(partition: number, position: Position, sink: LogSink, until?: Offset): () => void {
    return this.leased(partition).readLog(position, sink, until)
  }

  reach(partition: number, position: Position): Promise<Reach> {
    return this.leased(partition).reach(position)
  }

  /** @throws Error without a lease of the partition. */
  private leased(partition: number): Partition {
    const use = this.inUse.get(partition)
    if (use === undefined || use.leases === 0)
      throw new Error(`no lease of partition ${partition}, whose log is to be read`)
    return use.partition
  }

  private use(partition: number): PartitionUse {
    const known = this.inUse.get(partition)
    if (known !== undefined) return known
    const { prefix, database, clock, logger, metrics, listener } = this.options
    const use: PartitionUse = {
      number: partition,
      channel: keys(prefix, partition, database).live,
      leases: 0,
      idleTimer: null,
      subscribed: false,
      partition: new Partition({
        partition,
        clock,
        logger,
        metrics,
        log: this.log,
        sharedLog: this.sharedLog,
        lostGraceMs: this.options.redisLostGraceMs,
        listener: {
          events: (from, events) => listener.events(from, events),
          lost: (from, why) => listener.lost(from, why),
          changed: () => {
            this.admitWaiters()
            this.reportReadiness()
          },
          stale: () => this.options.connections.at(use.channel)?.subscriptionStale(),
        },
      }),
    }
    this.inUse.set(partition, use)
    this.options.connections.subscribe(use.channel, {
      confirmed: () => this.confirmed(use),
      interrupted: () => this.interrupted(use),
      message: (bytes) => this.receive(use, bytes),
    })
    return use
  }

  /** Runs what waits for partitions that are live by now. */
  private admitWaiters(): void {
    if (this.waiters.size === 0 || this.unsubscribedSince !== null || this.lossReason() !== null) return
    for (const waiter of this.waiters) {
      if (!waiter.numbers.every((number) => this.inUse.get(number)?.partition.live)) continue
      this.waiters.delete(waiter)
      waiter.runTask()
    }
  }

  private isAwaited({ number }: PartitionUse): boolean {
    for (const { numbers } of this.waiters) if (numbers.includes(number)) return true
    return false
  }

  private release(number: number): void {
    const use = this.inUse.get(number)
    if (use === undefined || --use.leases > 0 || number === STATES_PARTITION) return
    use.idleTimer = this.options.clock.after(IDLE_MS, () => this.drop(use))
  }

  private drop(use: PartitionUse): void {
    use.idleTimer?.cancel()
    this.inUse.delete(use.number)
    this.options.connections.unsubscribe(use.channel)
    use.partition.close()
    this.setSubscribed(use, false)
  }

  private confirmed(use: PartitionUse): void {
    this.setSubscribed(use, true)
    if (use.number === STATES_PARTITION) for (const spare of this.spares.splice(0)) this.release(spare)
    use.partition.subscribed()
    this.reportReadiness()
  }

  private interrupted(use: PartitionUse): void {
    this.setSubscribed(use, false)
    use.partition.interrupted()
    this.reportReadiness()
  }

  private setSubscribed(use: PartitionUse, subscribed: boolean): void {
    use.subscribed = subscribed
    const now = this.options.clock.monotonic()
    const any = [...this.inUse.values()].some((other) => other.subscribed)
    if (!any) this.unsubscribedSince ??= now
    else if (this.unsubscribedSince !== null) {
      this.ingests.excuseSilence(this.unsubscribedSince, now)
      this.unsubscribedSince = null
    }
  }

  /** Subscribes one more partition for the states of the ingests, while no subscription is confirmed. */
  private useSparePartition(now: number): void {
    if (this.unsubscribedSince === null || !this.options.connections.independent) return
    if (now - this.unsubscribedSince < SPARE_AFTER_MS * (this.spares.length + 1)) return
    for (let number = 1; number < this.options.partitions; number++) {
      if (this.inUse.has(number)) continue
      this.use(number).leases++
      this.spares.push(number)
      return
    }
  }

  private receive({ number, partition }: PartitionUse, bytes: Uint8Array): void {
    let message: SealedBatch | StateMessage
    try {
      message = decode(bytes)
    } catch (error) {
      if (!(error instanceof EnvelopeError)) throw error
      this.countUnreadable(number, error)
      partition.unreadableMessage(error.message)
      return
    }
    if (message.kind === 'batch') partition.batch(message)
    else if (partition.ownState(message)) this.receiveState(message, number)
  }

  /** Passes a state on: every channel carries it, each to its own partition, that of the first partition to all. */
  private receiveState(state: StateMessage, from: number): void {
    this.ingests.received(state, this.options.clock.monotonic())
    for (const { number, partition } of this.inUse.values())
      if (from === STATES_PARTITION || from === number) partition.headsReported(state)
    const inForce = this.inUse.get(from)?.partition.position?.epoch
    const counts = inForce === undefined || inForce === state.epoch
    if (counts && state.state === 'up' && state.heads.length > 0)
      this.announcedPartitions = state.heads.length
    this.update()
  }

  /** Whether the ingests spread events over another number of partitions: some events would never reach this edge. */
  private partitionsDiffer(): boolean {
    return this.announcedPartitions !== null && this.announcedPartitions !== this.options.partitions
  }

  private lossReason(): string | null {
    if (this.partitionsDiffer()) return 'another number of partitions is in force'
    return this.unsubscribedSince === null ? this.ingests.lossReason(this.options.clock.monotonic()) : null
  }

  private countUnreadable(partition: number, error: EnvelopeError): void {
    this.options.metrics.unreadable()
    const now = this.options.clock.monotonic()
    if (now - this.unreadableLoggedAt < UNREADABLE_LOG_INTERVAL_MS) return
    this.unreadableLoggedAt = now
    this.options.logger.error(
      { partition, why: error.message },
      'message on the bus that this program cannot read',
    )
  }

  private tick(): void {
    const { clock, connections } = this.options
    const now = clock.monotonic()
    if (now - this.tickedAt > TICK_LATE_MS) this.ingests.excuseSilence(this.tickedAt, now)
    else
      for (const use of this.inUse.values()) {
        use.partition.tick(this.isAwaited(use))
        if (connections.at(use.channel)?.commands?.redirected === true) use.partition.poll()
      }
    this.tickedAt = now
    this.useSparePartition(now)
    this.update()
    this.ticking = clock.after(TICK_MS, () => this.tick())
  }

  private update(): void {
    const why = this.lossReason()
    if (why !== null) {
      const first = !this.lossReported
      for (const use of this.inUse.values()) if (first || this.isAwaited(use)) use.partition.notifyLost(why)
    }
    this.lossReported = why !== null
    this.watchIngests()
    this.admitWaiters()
    this.reportReadiness()
  }

  /** While nothing is subscribed no ingest can be heard: that is the outage of Redis. */
  private watchIngests(): void {
    if (this.unsubscribedSince !== null) {
      this.ingestWait.close()
      return
    }
    const state = this.ingests.state(this.options.clock.monotonic())
    if (state === 'up') this.ingestWait.recovers('ingests')
    else this.ingestWait.fails('ingests', NO_INGEST, { fields: { state } })
  }

  private reportReadiness(): void {
    const missing = this.notReadyReasons().join('\n')
    if (missing === this.reportedReasons) return
    this.reportedReasons = missing
    this.options.listener.readinessChanged()
  }
}
