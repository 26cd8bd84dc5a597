import { hash } from 'node:crypto'
import type { ConsumeMessage } from 'amqplib'
import { eventBytes } from '@wazo-websocketd/shared/domain/envelope'
import { partitionOf, type BusEvent } from '@wazo-websocketd/shared/domain/event'
import type { Offset } from '@wazo-websocketd/shared/domain/position'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import type { CanaryMessage } from '../broker/canary.js'
import { normalise, type DropReason, type NormaliseOptions } from './normalise.js'

/** The `target` of a delivery that concerns every partition. */
export const EVERY_PARTITION = -1

/** One message of the stream on its way into the log. */
export interface Delivery {
  readonly offset: Offset
  /** Monotonic milliseconds. */
  readonly receivedAt: number
  /** Size in a batch: the event with its headers, not its body alone. */
  readonly bytes: number
  /** null: the message is none for the edge and only takes its offset in the range. */
  readonly event: BusEvent | null
  readonly reason: DropReason | null
  /** Monotonic milliseconds at which this ingest sent it, when it is a beat of its own. */
  readonly canarySentAt: number | null
  /** Makes its partitions publish; deliveries that are not urgent travel along with urgent ones. */
  readonly urgent: boolean
  /** The partition whose head has to pass the delivery before it is done with, or EVERY_PARTITION. */
  readonly target: number
  /** Computed for the last delivery of a batch only. */
  fingerprint(): string
  /** Set when this ingest's own batch brought the delivery into the log. */
  published: boolean
}

export interface DeliveryOptions extends NormaliseOptions {
  readonly partitions: number
  /** Identity of this ingest: distinguishes its own canaries from those of others. */
  readonly ingest: string
}

/**
 * Makes a delivery of the message at `offset` of the stream; `canary` is the result of `readCanary`.
 *
 * Objects are spelt out, not spread: this runs once for every message of the bus, and spreading costs
 * several times what parsing the body does.
 */
export function toDelivery(
  message: ConsumeMessage,
  offset: Offset,
  canary: CanaryMessage | null,
  options: DeliveryOptions,
  clock: Clock,
): Delivery {
  if (canary !== null) {
    const isOwn = canary.ingest === options.ingest
    return deliveryOf(message, offset, clock, {
      event: null,
      reason: null,
      target: EVERY_PARTITION,
      canarySentAt: isOwn && canary.beat ? canary.sentAt : null,
      urgent: canary.beat,
    })
  }
  const outcome = normalise({ headers: message.properties.headers, body: message.content }, options)
  if (outcome.kind === 'dropped')
    return deliveryOf(message, offset, clock, {
      event: null,
      reason: outcome.reason,
      target: 0,
      canarySentAt: null,
      urgent: true,
    })
  const { name, tenant, everyone, users, requiredAcl, revokedSession, revocationOnly, body } = outcome.event
  const event: BusEvent = {
    offset,
    name,
    tenant,
    everyone,
    users,
    requiredAcl,
    revokedSession,
    revocationOnly,
    receivedAt: clock.now(),
    body,
  }
  const target = targetOf(event, options.partitions)
  return deliveryOf(message, offset, clock, { event, reason: null, target, canarySentAt: null, urgent: true })
}

function deliveryOf(
  message: ConsumeMessage,
  offset: Offset,
  clock: Clock,
  what: Pick<Delivery, 'event' | 'reason' | 'target' | 'canarySentAt' | 'urgent'>,
): Delivery {
  const { event, reason, target, canarySentAt, urgent } = what
  return {
    offset,
    receivedAt: clock.monotonic(),
    bytes: event === null ? 0 : eventBytes(event),
    event,
    reason,
    canarySentAt,
    urgent,
    target,
    fingerprint: lazyFingerprint(message.content, event !== null),
    published: false,
  }
}

/** Keeps only the body of an event, which counts in the window: a poison message can be larger than the whole window. */
function lazyFingerprint(body: Buffer, isKept: boolean): () => string {
  if (isKept) return () => fingerprint(body)
  const print = fingerprint(body)
  return () => print
}

/** First 8 bytes of SHA-256 over a body, in hex: shows whether an offset still holds the same message. */
export function fingerprint(body: Uint8Array): string {
  return hash('sha256', body, 'hex').slice(0, 16)
}

/**
 * The partition that has to get an event: that of its tenant. A revocation goes to all, because sessions of the deleted
 * token may listen to any of them.
 */
export function targetOf(event: BusEvent | null, partitions: number): number {
  if (event === null || partitions === 1) return 0
  return event.revokedSession === null ? partitionOf(event.tenant, partitions) : EVERY_PARTITION
}

/** The event as partition `partition` carries it: outside the partition of its tenant a revocation has no body. */
export function eventIn(event: BusEvent, partition: number, partitions: number): BusEvent {
  if (event.revokedSession === null || partitionOf(event.tenant, partitions) === partition) return event
  return { ...event, revocationOnly: true, body: EMPTY_BODY }
}

const EMPTY_BODY = new Uint8Array(0)
