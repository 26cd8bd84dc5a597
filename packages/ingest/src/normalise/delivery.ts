import { hash } from 'node:crypto'
import { partitionOf, type BusEvent } from '@wazo-websocketd/shared/domain/event'
import type { Offset } from '@wazo-websocketd/shared/domain/position'
import type { DropReason } from './normalise.js'

/** The delivery concerns every partition. */
export const EVERY_PARTITION = -1

/** One message of the stream on its way into the log. */
export interface Delivery {
  readonly offset: Offset
  /** Monotonic milliseconds. */
  readonly receivedAt: number
  /** What it takes in a batch: the event with its headers, not its body alone. */
  readonly bytes: number
  /** null: nothing for the edge; it only has a place in the range. */
  readonly event: BusEvent | null
  readonly reason: DropReason | null
  /** Monotonic milliseconds at which this ingest sent it, when it is a beat of its own. */
  readonly canarySentAt: number | null
  /** It makes its partitions publish; others travel along. */
  readonly urgent: boolean
  /** The partition whose head has to pass it before it is done with, or EVERY_PARTITION. */
  readonly target: number
  /** Asked for the last delivery of a batch only. */
  fingerprint(): string
  /** Set when this ingest's own batch brought it into the log. */
  published: boolean
}

/** First 8 bytes of SHA-256 over a body, in hex: tells whether an offset still holds the same message. */
export function fingerprint(body: Uint8Array): string {
  return hash('sha256', body, 'hex').slice(0, 16)
}

/**
 * The partition that has to know of an event: that of its tenant; all for a revocation, because sessions
 * of the deleted token may hear any of them.
 */
export function targetOf(event: BusEvent | null, partitions: number): number {
  if (event === null || partitions === 1) return 0
  return event.revokedSession === null ? partitionOf(event.tenant, partitions) : EVERY_PARTITION
}

/** The event as partition `partition` carries it: a revocation from elsewhere only closes. */
export function eventIn(event: BusEvent, partition: number, partitions: number): BusEvent {
  if (event.revokedSession === null || partitionOf(event.tenant, partitions) === partition) return event
  return { ...event, revocationOnly: true, body: NOTHING }
}

const NOTHING = new Uint8Array(0)
