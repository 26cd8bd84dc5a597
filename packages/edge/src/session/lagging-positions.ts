import type { BusEvent } from '@wazo-websocketd/shared/domain/event'
import type { Epoch, Offset } from '@wazo-websocketd/shared/domain/identity'
import type { Bus, Position } from '../bus/ports.js'
import type { Recipient } from '../route/recipient.js'
import type { Permission, Positions } from './ports.js'

/** Whose place it is. */
export interface Reader extends Recipient {
  /** Hands over one event that the session missed and read from the log. */
  replay(event: BusEvent): void
  /** The session's token was deleted at `offset` of `partition`; what stands below it has been handed over. */
  revoked(partition: number, offset: Offset): void
  /** What the session missed can no longer be read. */
  lost(): void
  /** Whether its client has not yet taken what it was given. */
  congested(): boolean
}

export interface BehindOptions {
  readonly bus: Bus
  readonly permission: Permission
  readonly reader: Reader
  /** A partition has been caught up with: its events come live again. */
  readonly caughtUp: () => void
  /** It was to resume where an earlier session ended, but the log no longer reaches back so far. */
  readonly outdated: () => void
}

interface Place {
  readonly epoch: Epoch
  offset: Offset
  /** Of a place that comes from a ticket: from where to read when the log does not reach back to `offset`. */
  otherwise: Offset | null
  /** Ends the reading that is under way. */
  stop: (() => void) | null
  /** The session's token ends here: nothing later is for it. */
  halted: boolean
}

/** Where a session stands in the partitions in which it is *behind* (architecture, section 3). */
export class Behind {
  private readonly options: BehindOptions
  private readonly places = new Map<number, Place>()

  constructor(options: BehindOptions) {
    this.options = options
  }

  get size(): number {
    return this.places.size
  }

  has(partition: number): boolean {
    return this.places.has(partition)
  }

  /** Whether the session has met its revocation in any partition. */
  get halting(): boolean {
    for (const { halted } of this.places.values()) if (halted) return true
    return false
  }

  halted(partition: number): boolean {
    return this.places.get(partition)?.halted ?? false
  }

  /** The session stands at `position` from here on, unless it stands somewhere already. */
  stay(partition: number, position: Position): void {
    if (!this.has(partition)) this.places.set(partition, placeAt(position))
  }

  /** The session goes on from `position`, where an earlier one ended; if that is too long ago, from `otherwise`. */
  resume(partition: number, position: Position, otherwise: Offset): void {
    this.places.set(partition, { ...placeAt(position), otherwise })
  }

  /** Where the session stands in the partitions in which it is behind. */
  get positions(): Map<number, Position> {
    const positions = new Map<number, Position>()
    for (const [partition, { epoch, offset }] of this.places) positions.set(partition, { epoch, offset })
    return positions
  }

  /** The live stream has met the revocation at `position`; one that reads the log gets there by itself. */
  halt(partition: number, position: Position): void {
    const place = this.places.get(partition)
    if (place === undefined) this.places.set(partition, { ...placeAt(position), halted: true })
    else if (place.stop === null) place.halted = true
  }

  /** The revocation no longer counts. */
  release(): void {
    for (const place of this.places.values()) place.halted = false
  }

  /** Reads the log where nobody does, but no longer in other partitions than these. */
  read(partitions: readonly number[]): void {
    for (const [partition, place] of [...this.places]) {
      if (!partitions.includes(partition)) this.forget(partition)
      else if (place.stop === null) this.readOn(partition, place, null, this.options.caughtUp)
    }
  }

  /** Reads on up to `targets`, and stands there. Calls `arrived` when it does in all partitions. */
  readTo(targets: Positions, arrived: () => void): void {
    let reading = 1
    const one = () => {
      if (--reading === 0) arrived()
    }
    for (const [partition, place] of [...this.places]) {
      const target = targets.get(partition)
      if (target?.epoch !== place.epoch || target.offset <= place.offset) continue
      reading++
      this.readOn(partition, place, target.offset, one)
    }
    one()
  }

  /** Stops reading; the session stays where it is. */
  stop(): void {
    for (const place of this.places.values()) {
      place.stop?.()
      place.stop = null
    }
  }

  /** `until`: where to stop and stand; null: at the worker's cursor, where the place is given up. */
  private readOn(partition: number, place: Place, until: Offset | null, done: () => void): void {
    const { bus, reader, outdated } = this.options
    let over = false
    const isOver = () => over
    const { epoch, offset } = place
    const stop = bus.catchUp(
      partition,
      { epoch, offset },
      {
        events: (events) => this.replay(partition, place, events),
        live: () => {
          over = true
          place.stop = null
          if (until === null) this.places.delete(partition)
          else place.offset = until
          done()
        },
        lost: (loss) => {
          over = true
          place.stop = null
          if (loss === 'log' && place.otherwise !== null) {
            place.offset = place.otherwise
            place.otherwise = null
            outdated()
            this.readOn(partition, place, until, done)
          } else reader.lost()
        },
        congested: () => reader.congested(),
      },
      ...(until === null ? [] : [until]),
    )
    // The bus may have answered before it returned.
    if (!isOver()) place.stop = stop
  }

  private replay(partition: number, place: Place, events: readonly BusEvent[]): void {
    const { permission, reader } = this.options
    place.otherwise = null
    for (const event of events) {
      if (place.halted) return
      place.offset = event.offset
      if (!event.revocationOnly && permission.permits(reader, event)) reader.replay(event)
      if (event.revokedSession === null || event.revokedSession !== reader.identity.sessionUuid) continue
      place.halted = true
      place.stop?.()
      place.stop = null
      reader.revoked(partition, event.offset)
    }
  }

  private forget(partition: number): void {
    this.places.get(partition)?.stop?.()
    this.places.delete(partition)
  }
}

function placeAt(position: Position): Place {
  return { ...position, otherwise: null, stop: null, halted: false }
}
