import { partitionOf, type BusEvent } from '@wazo-websocketd/shared/domain/event'
import type { Offset } from '@wazo-websocketd/shared/domain/identity'
import type { Bus, Hold, Position } from '../bus/ports.js'
import { Behind, type Reader } from './lagging-positions.js'
import { partitionsFor, type Partitioning } from './partitions.js'
import type { Permission, Positions, SessionRegistry } from './ports.js'
import type { Resumption } from '../drain/redemption.js'

/** The bus and its routing, as a worker's sessions share them. */
export interface BusSide extends Partitioning {
  readonly bus: Bus
  readonly registry: SessionRegistry
  readonly permission: Permission
}

/** Who takes part. */
export type Participant = Reader

/** Where a session stands that is to leave: at these positions; nowhere, having missed nothing; or not to be told yet. */
export type Standing = Positions | 'nowhere' | 'unsettled'

const NOBODY: readonly (() => void)[] = []

/**
 * One session's part in the live stream: its hold on partitions, its place in the registry, and, while it
 * is *behind* (architecture, section 3), its own reading of the log.
 */
export class Membership {
  /** null: the session is up to date in all partitions. First, because every delivery asks. */
  private behind: Behind | null = null
  private readonly side: BusSide
  private readonly participant: Participant
  /** Until the session has its place; longer only where that is an earlier session's. */
  private resumption: Resumption | null
  private hold: Hold | null = null
  private partitions: readonly number[] = []
  /** The hold that is waited for. */
  private joining: Hold | null = null
  private waiters: readonly (() => void)[] = NOBODY
  private registered = false
  private suspended = false
  private departing = false
  private left = false

  constructor(side: BusSide, participant: Participant, resumption: Resumption | null) {
    this.side = side
    this.participant = participant
    this.resumption = resumption
  }

  /**
   * Calls `live` once the worker is live on the identity's partitions and the session is registered; the first time
   * that is where an earlier session has left, if one has.
   */
  join(live: () => void): void {
    if (this.left) return
    const partitions = partitionsFor(this.participant.identity, this.side)
    const before = this.joining
    const hold = this.side.bus.hold(partitions)
    this.joining = hold
    // Only now: what both need stays held.
    before?.release()
    this.waiters = [...this.waiters, live]
    hold.whenLive(() => {
      if (hold === this.joining) this.enter(hold, partitions)
    })
  }

  /**
   * Takes the place of a session that another worker has served up to `positions`: what has been published since
   * is read from the log, or the session is `lost`.
   */
  takeOver(positions: Positions): void {
    const partitions = partitionsFor(this.participant.identity, this.side)
    if (!partitions.every((partition) => positions.has(partition))) {
      this.participant.lost()
      return
    }
    const behind = this.fallBehind()
    for (const partition of partitions) behind.stay(partition, positions.get(partition) as Position)
    this.join(() => undefined)
  }

  /**
   * The identity was replaced. Calls `live` when the session is live for the new one; that is at once
   * when it needs no other partitions. `verified`: the suspension, if any, is over.
   */
  identified(verified: boolean, live: () => void): void {
    if (this.left) return
    if (this.registered) this.side.registry.identified(this.participant)
    if (verified) {
      this.suspended = false
      this.behind?.release()
    }
    const joining = this.joining !== null
    if (this.hold === null && !joining) {
      live()
      return
    }
    const wanted = partitionsFor(this.participant.identity, this.side)
    if (joining || !sameNumbers(wanted, this.partitions)) {
      this.join(live)
      return
    }
    this.advance()
    live()
  }

  /** A name joined the subscriptions. */
  subscribed(name: string): void {
    if (this.registered) this.side.registry.subscribed(this.participant, name)
  }

  /**
   * The token was deleted at `offset`, up to which the worker has delivered `partition`: nothing later of that
   * partition reaches the session until a new token is `identified`. True when that is so in all of its partitions.
   */
  halt(partition: number, offset: Offset): boolean {
    // One that takes another's place will meet the deletion in the log, after what was published before.
    if (this.hold === null) return this.behind === null
    // What was published before is read up to where the session leaves, or when it stays.
    if (this.departing) return this.partitions.every((each) => this.behind?.halted(each) ?? false)
    if (this.suspended || !this.partitions.includes(partition)) return false
    const at = this.side.bus.cursor(partition)
    if (at === null) return true
    const behind = this.fallBehind()
    behind.halt(partition, { epoch: at.epoch, offset })
    return this.partitions.every((each) => behind.halted(each))
  }

  /** Nothing is delivered from here on until `identified`: the session stays where it is in all partitions. */
  suspend(): void {
    if (this.left || this.suspended) return
    this.suspended = true
    this.unregister()
    this.behind?.stop()
    if (this.hold !== null) this.stay()
  }

  /**
   * Stands still, to leave: says where. After it either `readTo` and `leave`, or `remain`. `unsettled` while the session
   * waits for its rights or its end: then nothing has changed.
   */
  depart(): Standing {
    if (this.left) return 'unsettled'
    if (this.hold === null) return 'nowhere'
    if (this.resting || this.joining !== null) return 'unsettled'
    this.departing = true
    this.unregister()
    this.behind?.stop()
    this.stay()
    return this.standing ?? 'nowhere'
  }

  /** Where a session stands that departs; null once it has left. */
  get standing(): Positions | null {
    return this.left ? null : (this.behind?.positions ?? null)
  }

  /** Receives, while it departs, what lies up to `targets`; then `arrived`. */
  readTo(targets: Positions, arrived: () => void): void {
    this.behind?.readTo(targets, arrived)
  }

  /** Receives nothing more while it departs. */
  stand(): void {
    this.behind?.stop()
  }

  /** Stays after all. */
  remain(): void {
    if (this.left || !this.departing) return
    this.departing = false
    this.behind?.stop()
    if (!this.suspended && this.joining === null) this.advance()
  }

  /** Whether a live event must be left out, because the session reads its partition's log by itself. */
  isBehind(event: BusEvent): boolean {
    return this.behind?.has(partitionOf(event.tenant, this.side.partitions)) ?? false
  }

  /** Gives back everything; idempotent. */
  leave(): void {
    if (this.left) return
    this.left = true
    this.waiters = NOBODY
    this.resumption?.abandon()
    this.behind?.stop()
    this.unregister()
    this.joining?.release()
    this.joining = null
    this.hold?.release()
    this.hold = null
  }

  private enter(hold: Hold, partitions: readonly number[]): void {
    if (this.resumption === null || this.hold !== null) {
      this.joined(hold, partitions)
      return
    }
    this.resumption.redeem((positions) => {
      if (hold === this.joining) this.joined(hold, partitions, positions)
    })
  }

  private joined(hold: Hold, partitions: readonly number[], resumed?: Positions | null): void {
    this.joining = null
    this.hold?.release()
    this.hold = hold
    this.partitions = partitions
    this.resumption?.settled()
    if (resumed != null) this.resume(resumed)
    else this.resumption = null
    if (this.resting) this.stay()
    else this.advance()
    const waiters = this.waiters
    this.waiters = NOBODY
    for (const live of waiters) live()
  }

  /** Goes back to where an earlier session has left, unless the numbering is another since. */
  private resume(positions: Positions): void {
    for (const partition of this.partitions) {
      const [from, at] = [positions.get(partition), this.side.bus.cursor(partition)]
      if (from === undefined || at === null) continue
      if (from.epoch !== at.epoch) this.resumption?.outdated()
      else if (from.offset !== at.offset) this.fallBehind().resume(partition, from, at.offset)
    }
  }

  /** Whether the session waits for a verdict, or for its end: it does not move on by itself. */
  private get resting(): boolean {
    return this.suspended || this.departing || (this.behind?.halting ?? false)
  }

  /** Goes live where the session is up to date and reads the log where it is behind. */
  private advance(): void {
    if (this.resting) return
    this.behind?.read(this.partitions)
    this.caughtUp()
  }

  private caughtUp(): void {
    if (this.behind?.size === 0) this.behind = null
    if (this.behind === null || this.behind.size < this.partitions.length) this.register()
  }

  private fallBehind(): Behind {
    const { bus, permission } = this.side
    const caughtUp = () => this.caughtUp()
    const outdated = () => this.resumption?.outdated()
    return (this.behind ??= new Behind({ bus, permission, reader: this.participant, caughtUp, outdated }))
  }

  private stay(): void {
    const behind = this.fallBehind()
    for (const partition of this.partitions) {
      if (behind.has(partition)) continue
      const position = this.side.bus.cursor(partition)
      if (position === null) {
        this.participant.lost()
        return
      }
      behind.stay(partition, position)
    }
  }

  private register(): void {
    if (this.registered || this.left || this.suspended || this.departing) return
    this.registered = true
    this.side.registry.add(this.participant)
  }

  private unregister(): void {
    if (!this.registered) return
    this.registered = false
    this.side.registry.remove(this.participant)
  }
}

function sameNumbers(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((value, at) => value === b[at])
}
