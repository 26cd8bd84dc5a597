import type { ConsumeMessage } from 'amqplib'
import type { BusEvent } from '@wazo-websocketd/shared/domain/event'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import { readCanary } from './canary.js'
import { offsetOf } from './consumer.js'
import { EVERY_PARTITION, fingerprint, targetOf } from './delivery.js'
import type { Delivery } from './delivery.js'
import { normalise } from './normalise.js'
import type { NormaliseOptions } from './normalise.js'

export interface IntakeOptions extends NormaliseOptions {
  readonly partitions: number
  /** Identity of this ingest: tells its own canaries from those of others. */
  readonly ingest: string
}

/**
 * Makes a delivery of a message of the stream. Throws when the message has no offset.
 *
 * Objects are spelt out, not spread: this runs once for every message of the bus, and spreading costs
 * several times what parsing the body does.
 */
export function receive(message: ConsumeMessage, options: IntakeOptions, clock: Clock): Delivery {
  const canary = readCanary(message)
  if (canary !== null)
    return deliveryOf(message, clock, {
      event: null,
      reason: null,
      target: EVERY_PARTITION,
      canarySentAt: canary.ingest === options.ingest ? canary.sentAt : null,
    })
  const outcome = normalise({ headers: message.properties.headers, body: message.content }, options)
  if (outcome.kind === 'dropped')
    return deliveryOf(message, clock, { event: null, reason: outcome.reason, target: 0, canarySentAt: null })
  const { name, tenant, everyone, users, requiredAcl, revokedSession, revocationOnly, body } = outcome.event
  const event: BusEvent = {
    offset: offsetOf(message),
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
  return deliveryOf(message, clock, { event, reason: null, target, canarySentAt: null })
}

function deliveryOf(
  message: ConsumeMessage,
  clock: Clock,
  what: Pick<Delivery, 'event' | 'reason' | 'target' | 'canarySentAt'>,
): Delivery {
  const { event, reason, target, canarySentAt } = what
  return {
    offset: offsetOf(message),
    receivedAt: clock.monotonic(),
    deliveryTag: message.fields.deliveryTag,
    bytes: event === null ? 0 : event.body.length,
    event,
    reason,
    canarySentAt,
    target,
    fingerprint: printer(message.content, event !== null),
    published: false,
  }
}

/** Only the body of an event, which counts in the window, is kept: poison can be larger than everything else there. */
function printer(body: Buffer, kept: boolean): () => string {
  if (kept) return () => fingerprint(body)
  const print = fingerprint(body)
  return () => print
}
