import type { ConsumeMessage } from 'amqplib'
import { eventBytes } from '@wazo-websocketd/shared/domain/envelope'
import type { BusEvent } from '@wazo-websocketd/shared/domain/event'
import type { Offset } from '@wazo-websocketd/shared/domain/position'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import type { CanaryMessage } from '../broker/canary.js'
import { EVERY_PARTITION, fingerprint, targetOf, type Delivery } from './delivery.js'
import { normalise, type NormaliseOptions } from './normalise.js'

export interface DeliveryOptions extends NormaliseOptions {
  readonly partitions: number
  /** Identity of this ingest: tells its own canaries from those of others. */
  readonly ingest: string
}

/**
 * Makes a delivery of the message at `offset` of the stream; `canary`: what it is, if it is one.
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

/** Only the body of an event, which counts in the window, is kept: poison can be larger than everything else there. */
function lazyFingerprint(body: Buffer, kept: boolean): () => string {
  if (kept) return () => fingerprint(body)
  const print = fingerprint(body)
  return () => print
}
