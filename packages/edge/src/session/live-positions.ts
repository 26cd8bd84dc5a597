import { partitionOf, type BusEvent } from '@wazo-websocketd/shared/domain/event'
import type { Position } from '@wazo-websocketd/shared/domain/position'
import type { Bus } from '../bus/ports.js'
import { positionId } from './position-id.js'

/** A text made for one event, which all sessions at the same place are given. */
interface Made {
  event: BusEvent | null
  id: string
}

/**
 * Names the position behind each event for all sessions of a worker that carry positions: once per event, unless a
 * session lags behind.
 */
export class LivePositions {
  private readonly bus: Pick<Bus, 'cursor'>
  private readonly partitions: number
  private readonly inOwn: Made = { event: null, id: '' }
  private readonly inAll: Made = { event: null, id: '' }

  constructor(bus: Pick<Bus, 'cursor'>, partitions: number) {
    this.bus = bus
    this.partitions = partitions
  }

  /** For a session in the event's partition alone, whose events are of this epoch. */
  ofPartition(event: BusEvent, { epoch }: Position): string {
    const made = this.inOwn
    if (made.event !== event) {
      made.id = positionId([[partitionOf(event.tenant, this.partitions), { epoch, offset: event.offset }]])
      made.event = event
    }
    return made.id
  }

  /** For a session that is up to date in all of several partitions. */
  ofAll(event: BusEvent): string {
    const made = this.inAll
    if (made.event !== event) {
      const all = Array.from({ length: this.partitions }, (_, partition) => partition)
      const own = partitionOf(event.tenant, this.partitions)
      made.id = positionId(positionsBehind(event, own, all, (partition) => this.bus.cursor(partition)))
      made.event = event
    }
    return made.id
  }
}

/**
 * Yields where a session stands in each of its partitions once it has been given `event`, which is of `own`. The cursor
 * of that partition is ahead already: it stands behind the batch.
 */
export function* positionsBehind(
  event: BusEvent,
  own: number,
  partitions: readonly number[],
  positionIn: (partition: number) => Position | null,
): Iterable<readonly [number, Position]> {
  for (const partition of partitions) {
    const position = positionIn(partition)
    if (position === null) continue
    yield [partition, partition === own ? { ...position, offset: event.offset } : position]
  }
}
