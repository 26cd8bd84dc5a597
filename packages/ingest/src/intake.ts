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

/** Makes a delivery of a message of the stream. Throws when the message has no offset. */
export function receive(message: ConsumeMessage, options: IntakeOptions, clock: Clock): Delivery {
  const canary = readCanary(message)
  const place = {
    offset: offsetOf(message),
    receivedAt: clock.monotonic(),
    deliveryTag: message.fields.deliveryTag,
  }
  const body = message.content
  if (canary !== null)
    return {
      ...place,
      bytes: 0,
      event: null,
      reason: null,
      canarySentAt: canary.ingest === options.ingest ? canary.sentAt : null,
      target: EVERY_PARTITION,
      fingerprint: () => fingerprint(body),
      published: false,
    }
  const outcome = normalise({ headers: message.properties.headers, body }, options)
  if (outcome.kind === 'event') {
    const event: BusEvent = { ...outcome.event, offset: place.offset, receivedAt: clock.now() }
    const target = targetOf(event, options.partitions)
    const print = (): string => fingerprint(body)
    return {
      ...place,
      bytes: body.length,
      event,
      reason: null,
      canarySentAt: null,
      target,
      fingerprint: print,
      published: false,
    }
  }
  const { reason } = outcome
  const dropped = { ...place, bytes: 0, event: null, reason, canarySentAt: null, target: 0, published: false }
  if (reason !== 'too_big') return { ...dropped, fingerprint: () => fingerprint(body) }
  // Its body is not kept: poison can be larger than everything else in the window.
  const print = fingerprint(body)
  return { ...dropped, fingerprint: () => print }
}
