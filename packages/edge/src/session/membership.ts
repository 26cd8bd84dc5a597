import { partitionOf, type BusEvent } from '@wazo-websocketd/shared/domain/event'
import type { Offset } from '@wazo-websocketd/shared/domain/identity'
import type { Bus, Hold } from '../bus/ports.js'
import type { Recipient } from '../route/recipient.js'
import { partitionsFor, type Partitioning } from './partitions.js'
import type { Permission, SessionRegistry } from './ports.js'

/** The bus and its routing, as a worker's sessions share them. */
export interface BusSide extends Partitioning {
  readonly bus: Bus
  readonly registry: SessionRegistry
  readonly permission: Permission
}

/** Who takes part. */
export interface Participant extends Recipient {
  /** Hands over one event that the session missed and read from the log. */
  replay(event: BusEvent): void
  /** What the session missed can no longer be read. */
  lost(): void
}

/**
 * One session's part in the live stream: its hold on partitions, its place in the registry, and, while it
 * is *behind* (architecture, section 3), its own reading of the log.
 */
export class Membership {
  private readonly side: BusSide
  private readonly participant: Participant
  private hold: Hold | null = null
  private partitions: readonly number[] = []
  private attempt = 0
  private waiters: (() => void)[] = []
  private registered = false
  private suspended = false
  private left = false
  /** Where the session stands in the partitions in which it is behind; null when it is in none. */
  private positions: Map<number, Offset> | null = null
  private readonly readers = new Map<number, () => void>()

  constructor(side: BusSide, participant: Participant) {
    this.side = side
    this.participant = participant
  }

  /** Calls `live` once the worker is live on the identity's partitions and the session is registered. */
  join(live: () => void): void {
    if (this.left) return
    const attempt = ++this.attempt
    const partitions = partitionsFor(this.participant.identity, this.side)
    this.waiters.push(live)
    void this.side.bus.hold(partitions).then((hold) => {
      if (attempt !== this.attempt) hold.release()
      else this.joined(hold, partitions)
    })
  }

  /**
   * The identity was replaced. Calls `live` when the session is live for the new one; that is at once
   * when it needs no other partitions. `verified`: the suspension, if any, is over.
   */
  identified(verified: boolean, live: () => void): void {
    if (this.left) return
    if (this.registered) this.side.registry.identified(this.participant)
    if (verified) this.suspended = false
    const joining = this.waiters.length > 0
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
   * Nothing is delivered from here on until `identified`: the session stays where it is, which is
   * `offset` in `revokedIn` and the worker's cursor elsewhere.
   */
  suspend(revokedIn: number | null, offset: Offset): void {
    if (this.left || this.suspended) return
    this.suspended = true
    this.unregister()
    this.stopReaders()
    if (this.hold !== null) this.rememberPositions(revokedIn, offset)
  }

  /** Whether a live event must be left out, because the session reads its partition's log by itself. */
  isBehind(event: BusEvent): boolean {
    return this.positions?.has(partitionOf(event.tenant, this.side.partitions)) ?? false
  }

  /** Gives back everything; idempotent. */
  leave(): void {
    if (this.left) return
    this.left = true
    this.attempt += 1
    this.waiters = []
    this.stopReaders()
    this.unregister()
    this.hold?.release()
    this.hold = null
  }

  private joined(hold: Hold, partitions: readonly number[]): void {
    this.hold?.release()
    this.hold = hold
    this.partitions = partitions
    if (this.suspended) this.rememberPositions(null, 0)
    else this.advance()
    const waiters = this.waiters
    this.waiters = []
    for (const live of waiters) live()
  }

  /** Goes live where the session is up to date and reads the log where it is behind. */
  private advance(): void {
    if (this.suspended) return
    const behind = this.positions
    if (behind === null) {
      this.register()
      return
    }
    for (const partition of behind.keys()) if (!this.partitions.includes(partition)) this.forget(partition)
    for (const [partition, position] of [...behind])
      if (!this.readers.has(partition)) this.catchUp(partition, position)
    if (behind.size < this.partitions.length) this.register()
  }

  private catchUp(partition: number, position: Offset): void {
    const { bus, permission } = this.side
    let answered = false
    const isAnswered = () => answered
    const stop = bus.catchUp(partition, position, {
      events: (events) => {
        for (const event of events) {
          this.positions?.set(partition, event.offset)
          if (!event.revocationOnly && permission.permits(this.participant, event))
            this.participant.replay(event)
        }
      },
      live: () => {
        answered = true
        this.readers.delete(partition)
        this.forget(partition)
        this.register()
      },
      lost: () => {
        answered = true
        this.readers.delete(partition)
        this.participant.lost()
      },
    })
    // The bus may have answered before it returned.
    if (!isAnswered()) this.readers.set(partition, stop)
  }

  /** The session is not behind in this partition, or no longer has anything to do with it. */
  private forget(partition: number): void {
    this.readers.get(partition)?.()
    this.readers.delete(partition)
    this.positions?.delete(partition)
    if (this.positions?.size === 0) this.positions = null
  }

  private rememberPositions(revokedIn: number | null, offset: Offset): void {
    const positions = new Map<number, Offset>()
    for (const partition of this.partitions) {
      const known = this.positions?.get(partition)
      const position = known ?? (partition === revokedIn ? offset : this.side.bus.cursor(partition))
      if (position === null) {
        this.participant.lost()
        return
      }
      positions.set(partition, position)
    }
    this.positions = positions
  }

  private register(): void {
    if (this.registered || this.left || this.suspended) return
    this.registered = true
    this.side.registry.add(this.participant)
  }

  private unregister(): void {
    if (!this.registered) return
    this.registered = false
    this.side.registry.remove(this.participant)
  }

  private stopReaders(): void {
    for (const stop of this.readers.values()) stop()
    this.readers.clear()
  }
}

function sameNumbers(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((value, at) => value === b[at])
}
