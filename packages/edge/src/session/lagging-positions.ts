import type { BusEvent } from '@wazo-websocketd/shared/domain/event'
import type { Epoch, Offset, Position, Positions } from '@wazo-websocketd/shared/domain/position'
import type { Bus } from '../bus/ports.js'
import type { Connection } from './connection.js'
import type { Permission } from './ports.js'

export interface LaggingPositionsOptions {
  readonly bus: Bus
  readonly permission: Permission
  readonly connection: Connection
  /** Called when the session has caught up in a partition: its events come live again. */
  readonly caughtUp: () => void
  /** Called when the log no longer reaches back to where an earlier session ended. */
  readonly outdated: () => void
}

interface LaggingPosition {
  readonly epoch: Epoch
  offset: Offset
  /** Of a position that comes from a ticket: from where to read when the log does not reach back to `offset`. */
  fallback: Offset | null
  /** Ends the reading that is under way; null: none is. */
  stop: (() => void) | null
  /** The session's token was deleted here: nothing later is delivered. */
  stopped: boolean
}

/**
 * Keeps where a session stands in the partitions in which it lags behind the worker's cursor (docs/adr/0004), and
 * reads the log there.
 */
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

  /** Keeps the session at `position`, unless it lags in this partition already. */
  pin(partition: number, position: Position): void {
    if (!this.has(partition)) this.positionsByPartition.set(partition, positionAt(position))
  }

  /**
   * Goes on from `position`, where an earlier session ended; if the log does not reach back so far, from `fallback`.
   */
  resume(partition: number, position: Position, fallback: Offset): void {
    this.positionsByPartition.set(partition, { ...positionAt(position), fallback })
  }

  /** Where the session stands in a partition; null: it does not lag there. */
  at(partition: number): Position | null {
    return this.positionsByPartition.get(partition) ?? null
  }

  /** Where the session stands in the partitions in which it lags. */
  get positions(): Map<number, Position> {
    const positions = new Map<number, Position>()
    for (const [partition, { epoch, offset }] of this.positionsByPartition)
      positions.set(partition, { epoch, offset })
    return positions
  }

  /**
   * Stops at `position`, where the live stream has met the revocation. A reading that is under way gets there by
   * itself.
   */
  stopAt(partition: number, position: Position): void {
    const known = this.positionsByPartition.get(partition)
    if (known === undefined)
      this.positionsByPartition.set(partition, { ...positionAt(position), stopped: true })
    else if (known.stop === null) known.stopped = true
  }

  /** Ignores the revocation from now on. */
  clearStops(): void {
    for (const position of this.positionsByPartition.values()) position.stopped = false
  }

  /** Reads the log where no reading is under way, and forgets other partitions than these. */
  read(partitions: readonly number[]): void {
    for (const [partition, position] of [...this.positionsByPartition]) {
      if (!partitions.includes(partition)) this.forget(partition)
      else if (position.stop === null) this.readOn(partition, position, null, this.options.caughtUp)
    }
  }

  /** Reads on up to `targets`. Calls `arrived` when all partitions have got there. */
  readTo(targets: Positions, arrived: () => void): void {
    let reading = 1
    const done = () => {
      if (--reading === 0) arrived()
    }
    for (const [partition, position] of [...this.positionsByPartition]) {
      const target = targets.get(partition)
      if (target?.epoch !== position.epoch || target.offset <= position.offset) continue
      reading++
      this.readOn(partition, position, target.offset, done)
    }
    done()
  }

  /** Stops reading; the session keeps its positions. */
  stopReading(): void {
    for (const position of this.positionsByPartition.values()) {
      position.stop?.()
      position.stop = null
    }
  }

  /** `until`: where to stop. null: at the worker's cursor, where the session no longer lags. */
  private readOn(partition: number, position: LaggingPosition, until: Offset | null, done: () => void): void {
    const { bus, connection, outdated } = this.options
    let ended = false
    const hasEnded = () => ended
    const { epoch, offset } = position
    const stop = bus.readLog(
      partition,
      { epoch, offset },
      {
        events: (events) => this.replay(partition, position, events),
        live: () => {
          ended = true
          position.stop = null
          if (until === null) this.positionsByPartition.delete(partition)
          else position.offset = until
          done()
        },
        lost: (loss, why) => {
          ended = true
          position.stop = null
          if (loss === 'log' && position.fallback !== null) {
            position.offset = position.fallback
            position.fallback = null
            outdated()
            this.readOn(partition, position, until, done)
          } else connection.lost(why)
        },
        congested: () => connection.congested(),
      },
      ...(until === null ? [] : [until]),
    )
    // The bus may have answered before it returned.
    if (!hasEnded()) position.stop = stop
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
