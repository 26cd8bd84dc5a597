import type { BusEvent } from '@wazo-websocketd/shared/domain/event'
import type { Epoch, Offset, Position, Positions } from '@wazo-websocketd/shared/domain/position'
import type { Bus } from '../bus/ports.js'
import type { Connection } from './connection.js'
import type { Permission } from './ports.js'

export interface LaggingPositionsOptions {
  readonly bus: Bus
  readonly permission: Permission
  readonly connection: Connection
  /** A partition has been caught up with: its events come live again. */
  readonly caughtUp: () => void
  /** It was to resume where an earlier session ended, but the log no longer reaches back so far. */
  readonly outdated: () => void
}

interface LaggingPosition {
  readonly epoch: Epoch
  offset: Offset
  /** Of a place that comes from a ticket: from where to read when the log does not reach back to `offset`. */
  fallback: Offset | null
  /** Ends the reading that is under way. */
  stop: (() => void) | null
  /** The session's token ends here: nothing later is for it. */
  stopped: boolean
}

/** Where a session stands in the partitions in which it is *behind* (architecture, section 3). */
export class LaggingPositions {
  private readonly options: LaggingPositionsOptions
  private readonly positionsByPartition = new Map<number, LaggingPosition>()

  constructor(options: LaggingPositionsOptions) {
    this.options = options
  }

  get size(): number {
    return this.positionsByPartition.size
  }

  has(partition: number): boolean {
    return this.positionsByPartition.has(partition)
  }

  /** Whether the session has met its revocation in any partition. */
  get anyStopped(): boolean {
    for (const { stopped } of this.positionsByPartition.values()) if (stopped) return true
    return false
  }

  isStopped(partition: number): boolean {
    return this.positionsByPartition.get(partition)?.stopped ?? false
  }

  /** The session stands at `position` from here on, unless it stands somewhere already. */
  pin(partition: number, position: Position): void {
    if (!this.has(partition)) this.positionsByPartition.set(partition, positionAt(position))
  }

  /** The session goes on from `position`, where an earlier one ended; if that is too long ago, from `otherwise`. */
  resume(partition: number, position: Position, fallback: Offset): void {
    this.positionsByPartition.set(partition, { ...positionAt(position), fallback })
  }

  /** Where the session stands in the partitions in which it is behind. */
  get positions(): Map<number, Position> {
    const positions = new Map<number, Position>()
    for (const [partition, { epoch, offset }] of this.positionsByPartition)
      positions.set(partition, { epoch, offset })
    return positions
  }

  /** The live stream has met the revocation at `position`; one that reads the log gets there by itself. */
  stopAt(partition: number, position: Position): void {
    const known = this.positionsByPartition.get(partition)
    if (known === undefined)
      this.positionsByPartition.set(partition, { ...positionAt(position), stopped: true })
    else if (known.stop === null) known.stopped = true
  }

  /** The revocation no longer counts. */
  clearStops(): void {
    for (const position of this.positionsByPartition.values()) position.stopped = false
  }

  /** Reads the log where nobody does, but no longer in other partitions than these. */
  read(partitions: readonly number[]): void {
    for (const [partition, position] of [...this.positionsByPartition]) {
      if (!partitions.includes(partition)) this.forget(partition)
      else if (position.stop === null) this.readOn(partition, position, null, this.options.caughtUp)
    }
  }

  /** Reads on up to `targets`, and stands there. Calls `arrived` when it does in all partitions. */
  readTo(targets: Positions, arrived: () => void): void {
    let reading = 1
    const one = () => {
      if (--reading === 0) arrived()
    }
    for (const [partition, position] of [...this.positionsByPartition]) {
      const target = targets.get(partition)
      if (target?.epoch !== position.epoch || target.offset <= position.offset) continue
      reading++
      this.readOn(partition, position, target.offset, one)
    }
    one()
  }

  /** Stops reading; the session stays where it is. */
  stopReading(): void {
    for (const position of this.positionsByPartition.values()) {
      position.stop?.()
      position.stop = null
    }
  }

  /** `until`: where to stop and stand; null: at the worker's cursor, where the place is given up. */
  private readOn(partition: number, position: LaggingPosition, until: Offset | null, done: () => void): void {
    const { bus, connection, outdated } = this.options
    let over = false
    const isOver = () => over
    const { epoch, offset } = position
    const stop = bus.readLog(
      partition,
      { epoch, offset },
      {
        events: (events) => this.replay(partition, position, events),
        live: () => {
          over = true
          position.stop = null
          if (until === null) this.positionsByPartition.delete(partition)
          else position.offset = until
          done()
        },
        lost: (loss) => {
          over = true
          position.stop = null
          if (loss === 'log' && position.fallback !== null) {
            position.offset = position.fallback
            position.fallback = null
            outdated()
            this.readOn(partition, position, until, done)
          } else connection.lost()
        },
        congested: () => connection.congested(),
      },
      ...(until === null ? [] : [until]),
    )
    // The bus may have answered before it returned.
    if (!isOver()) position.stop = stop
  }

  private replay(partition: number, position: LaggingPosition, events: readonly BusEvent[]): void {
    const { permission, connection } = this.options
    position.fallback = null
    for (const event of events) {
      if (position.stopped) return
      position.offset = event.offset
      if (!event.revocationOnly && permission.permits(connection, event)) connection.replay(event)
      if (event.revokedSession === null || event.revokedSession !== connection.identity.sessionUuid) continue
      position.stopped = true
      position.stop?.()
      position.stop = null
      connection.revoked(partition, event.offset)
    }
  }

  private forget(partition: number): void {
    this.positionsByPartition.get(partition)?.stop?.()
    this.positionsByPartition.delete(partition)
  }
}

function positionAt(position: Position): LaggingPosition {
  return { ...position, fallback: null, stop: null, stopped: false }
}
