import { partitionOf, type BusEvent } from '@wazo-websocketd/shared/domain/event'
import type { Offset, Position, Positions } from '@wazo-websocketd/shared/domain/position'
import type { Resumption } from '@wazo-websocketd/shared/domain/protocol'
import type { Bus, PartitionLease } from '../bus/ports.js'
import type { EventPositions } from '../deliver/outbox.js'
import type { Connection } from './connection.js'
import { positionsBehind, type LivePositions } from './live-positions.js'
import { LaggingPositions } from './lagging-positions.js'
import { positionId } from './position-id.js'
import { partitionsFor, type Partitioning } from './partitions.js'
import type { Permission, SessionIndex } from './ports.js'
import type { StartingPoint } from './starting-point.js'

/** The bus and its routing, shared by a worker's sessions. */
export interface FeedContext extends Partitioning {
  readonly bus: Bus
  readonly index: SessionIndex
  readonly permission: Permission
  /** For sessions that carry positions. */
  readonly livePositions: LivePositions
}

/**
 * Where a frozen session stands: at these positions, or `nowhere`, because it has not started. `unsettled`: it could
 * not be frozen yet.
 */
export type FreezeResult = Positions | 'nowhere' | 'unsettled'

const NO_WAITERS: readonly (() => void)[] = []

/**
 * Feeds one session from the live stream: has its lease of partitions, its place in the index, and, while it lags
 * behind the worker's cursor (docs/adr/0004), its own reading of the log.
 */
export class Feed implements EventPositions {
  /** null: the session is up to date in all partitions. First, because every delivery reads it. */
  private lagging: LaggingPositions | null = null
  private readonly context: FeedContext
  private readonly connection: Connection
  private readonly startingPoint: StartingPoint
  private lease: PartitionLease | null = null
  private partitions: readonly number[] = []
  /** The lease whose partitions are not live yet. */
  private pendingLease: PartitionLease | null = null
  private waiters: readonly (() => void)[] = NO_WAITERS
  private suspended = false
  private frozen = false
  /**
   * A feed may end before its session: a loss of continuity closes feeds at once, and their sessions over a second.
   */
  private closed = false

  constructor(context: FeedContext, connection: Connection, startingPoint: StartingPoint) {
    this.context = context
    this.connection = connection
    this.startingPoint = startingPoint
  }

  /**
   * Calls `live` once the worker is live on the identity's partitions and the session is in the index. The first time
   * it begins where an earlier session ended with a ticket, if one has.
   */
  join(live: () => void): void {
    if (this.closed) return
    const partitions = partitionsFor(this.connection.identity, this.context)
    const before = this.pendingLease
    const lease = this.context.bus.lease(partitions)
    this.pendingLease = lease
    // Only now: partitions that both need stay leased.
    before?.release()
    this.waiters = [...this.waiters, live]
    lease.whenLive(() => {
      if (lease === this.pendingLease) this.enter(lease, partitions)
    })
  }

  /**
   * Goes on where another worker has served the session up to: reads from the log what has been published since
   * `positions`, or the session is `lost`.
   */
  resumeAt(positions: Positions): void {
    const partitions = partitionsFor(this.connection.identity, this.context)
    if (!partitions.every((partition) => positions.has(partition))) {
      this.connection.lost('the worker before served other partitions')
      return
    }
    this.startingPoint.takenOver()
    const lagging = this.ensureLagging()
    for (const partition of partitions) lagging.pin(partition, positions.get(partition) as Position)
    this.join(() => undefined)
  }

  /** What a `start` is answered about positions: the first time (`decided`) what became of the request, later where the session is. */
  takeResumption(): { readonly decided: boolean; readonly resumption: Resumption } {
    const decision = this.startingPoint.takeDecision()
    const id = positionId(this.partitions.flatMap((partition) => this.rowAt(partition)))
    const resumption: Resumption =
      decision?.from === null ? { resumed: false, id, why: decision.why } : { resumed: true, id }
    return { decided: decision !== null, resumption }
  }

  /** Names the position behind an event that the session is being given. */
  idOf(event: BusEvent): string {
    const { livePositions, partitions: count } = this.context
    const own = partitionOf(event.tenant, count)
    if (this.partitions.length === 1) {
      const position = this.positionIn(own)
      return position === null ? '' : livePositions.ofPartition(event, position)
    }
    if (this.lagging === null) return livePositions.ofAll(event)
    return positionId(positionsBehind(event, own, this.partitions, (partition) => this.positionIn(partition)))
  }

  /**
   * Obeys a new identity. Calls `live` when the session is live for it; at once when it needs no other partitions.
   * `verified`: the suspension, if any, is over.
   */
  identityReplaced(verified: boolean, live: () => void): void {
    if (this.closed) return
    this.context.index.identityReplaced(this.connection)
    if (verified) {
      this.suspended = false
      this.lagging?.clearStops()
    }
    const joining = this.pendingLease !== null
    if (this.lease === null && !joining) {
      live()
      return
    }
    const wanted = partitionsFor(this.connection.identity, this.context)
    if (joining || !sameNumbers(wanted, this.partitions)) {
      this.join(live)
      return
    }
    this.advance()
    live()
  }

  /**
   * Stops delivery from `partition` at `offset`, up to which the worker has delivered it and where the token was
   * deleted, until `identityReplaced`. True when that is so in all of the session's partitions.
   */
  stopAt(partition: number, offset: Offset): boolean {
    // A session that goes on from another's place will meet the deletion in the log, after what was published before.
    if (this.lease === null) return this.lagging === null
    // What was published before is read until the session ends, or once it is unfrozen.
    if (this.frozen) return this.partitions.every((each) => this.lagging?.isStopped(each) ?? false)
    if (this.suspended || !this.partitions.includes(partition)) return false
    const at = this.context.bus.cursor(partition)
    if (at === null) return true
    const lagging = this.ensureLagging()
    lagging.stopAt(partition, { epoch: at.epoch, offset })
    return this.partitions.every((each) => lagging.isStopped(each))
  }

  /** Delivers nothing from here on until `identityReplaced`: the session keeps its place in all partitions. */
  suspend(): void {
    if (this.closed || this.suspended) return
    this.suspended = true
    this.unregister()
    this.lagging?.stopReading()
    if (this.lease !== null) this.freezePositions()
  }

  /**
   * Stops delivery so that the session can end here and go on elsewhere, and returns where it stands. After it either
   * `readTo` and `close`, or `unfreeze`. `unsettled` while the session waits for its rights or its end: then nothing
   * has changed.
   */
  freeze(): FreezeResult {
    if (this.closed) return 'unsettled'
    // A session that has just come from another worker has a place, and no lease yet.
    if (this.lease === null) return this.lagging === null ? 'nowhere' : 'unsettled'
    if (this.held || this.pendingLease !== null) return 'unsettled'
    this.frozen = true
    this.unregister()
    this.lagging?.stopReading()
    this.freezePositions()
    return this.frozenAt ?? 'nowhere'
  }

  /** Where a frozen session stands; null once it is closed. */
  get frozenAt(): Positions | null {
    return this.closed ? null : (this.lagging?.positions ?? null)
  }

  /** Delivers to a frozen session what lies up to `targets`, then calls `arrived`; at once when it is closed. */
  readTo(targets: Positions, arrived: () => void): void {
    if (this.lease === null || this.lagging === null) arrived()
    else this.lagging.readTo(targets, arrived)
  }

  /** Ends `readTo`. */
  stopReading(): void {
    this.lagging?.stopReading()
  }

  /** Delivers again. */
  unfreeze(): void {
    if (this.closed || !this.frozen) return
    this.frozen = false
    this.lagging?.stopReading()
    if (!this.suspended && this.pendingLease === null) this.advance()
  }

  /** Whether a live event must be left out, because the session reads its partition's log by itself. */
  isLagging(event: BusEvent): boolean {
    return this.lagging?.has(partitionOf(event.tenant, this.context.partitions)) ?? false
  }

  /** How far the session is behind the worker in the partition where it is furthest, in offsets of the stream. */
  get behind(): number {
    let most = 0
    for (const [partition, { epoch, offset }] of this.lagging?.positions ?? []) {
      const at = this.context.bus.cursor(partition)
      if (at?.epoch === epoch) most = Math.max(most, at.offset - offset)
    }
    return most
  }

  /** Gives everything back; idempotent. */
  close(): void {
    if (this.closed) return
    this.closed = true
    this.waiters = NO_WAITERS
    this.startingPoint.abandon()
    this.lagging?.stopReading()
    this.unregister()
    this.pendingLease?.release()
    this.pendingLease = null
    this.lease?.release()
    this.lease = null
  }

  private enter(lease: PartitionLease, partitions: readonly number[]): void {
    if (this.lease !== null) {
      this.joined(lease, partitions)
      return
    }
    const isWanted = (): boolean => lease === this.pendingLease
    this.startingPoint.find(this.context.bus, partitions, isWanted, (from) =>
      this.joined(lease, partitions, from),
    )
  }

  private joined(
    lease: PartitionLease,
    partitions: readonly number[],
    resumed: Positions | null = null,
  ): void {
    this.pendingLease = null
    this.lease?.release()
    this.lease = lease
    this.partitions = partitions
    this.startingPoint.settled(resumed !== null)
    if (resumed !== null) this.replayFrom(resumed)
    if (this.held) this.freezePositions()
    else this.advance()
    const waiters = this.waiters
    this.waiters = NO_WAITERS
    for (const live of waiters) live()
  }

  /** Goes back to where an earlier session ended, unless the epoch is another since. */
  private replayFrom(positions: Positions): void {
    for (const partition of this.partitions) {
      const [from, at] = [positions.get(partition), this.context.bus.cursor(partition)]
      if (from === undefined || at === null) continue
      if (this.startingPoint.isPromised) this.ensureLagging().pin(partition, from)
      else if (from.epoch !== at.epoch) this.startingPoint.outdated()
      else if (from.offset !== at.offset) this.ensureLagging().resume(partition, from, at.offset)
    }
  }

  private rowAt(partition: number): [number, Position][] {
    const position = this.positionIn(partition)
    return position === null ? [] : [[partition, position]]
  }

  private positionIn(partition: number): Position | null {
    return this.lagging?.at(partition) ?? this.context.bus.cursor(partition)
  }

  /** Whether the session waits for a verdict or for its end, and so does not move on by itself. */
  private get held(): boolean {
    return this.suspended || this.frozen || (this.lagging?.anyStopped ?? false)
  }

  /** Goes live where the session is up to date, and reads the log where it lags. */
  private advance(): void {
    if (this.held) return
    this.lagging?.read(this.partitions)
    this.caughtUp()
  }

  private caughtUp(): void {
    if (this.lagging?.size === 0) this.lagging = null
    if (this.lagging === null || this.lagging.size < this.partitions.length) this.register()
  }

  private ensureLagging(): LaggingPositions {
    const { bus, permission } = this.context
    const caughtUp = () => this.caughtUp()
    const outdated = () => this.startingPoint.outdated()
    return (this.lagging ??= new LaggingPositions({
      bus,
      permission,
      connection: this.connection,
      caughtUp,
      outdated,
    }))
  }

  private freezePositions(): void {
    const lagging = this.ensureLagging()
    for (const partition of this.partitions) {
      if (lagging.has(partition)) continue
      const position = this.context.bus.cursor(partition)
      if (position === null) {
        this.connection.lost(`no position is known in partition ${partition}`)
        return
      }
      lagging.pin(partition, position)
    }
  }

  private register(): void {
    const { index } = this.context
    if (this.closed || this.suspended || this.frozen || index.has(this.connection)) return
    index.add(this.connection)
  }

  private unregister(): void {
    this.context.index.remove(this.connection)
  }
}

function sameNumbers(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((value, at) => value === b[at])
}
