import type { Delivery } from '@wazo-websocketd/ingest/normalise/delivery'
import type { BusEvent } from '@wazo-websocketd/shared/domain/event'

/** An event at `offset`. */
export function eventAt(offset: number, over: Partial<BusEvent> = {}): BusEvent {
  return {
    offset,
    name: `e${offset}`,
    tenant: null,
    everyone: false,
    users: [],
    requiredAcl: null,
    revokedSession: null,
    revocationOnly: false,
    receivedAt: 0,
    body: Buffer.from(`{"n":${offset}}`),
    ...over,
  }
}

/** A delivery at `offset` that carries an event of partition 0. */
export function delivery(offset: number, over: Partial<Delivery> = {}): Delivery {
  return {
    offset,
    receivedAt: 0,
    bytes: 10,
    event: eventAt(offset),
    reason: null,
    canarySentAt: null,
    urgent: true,
    target: 0,
    fingerprint: () => `f${offset}`,
    published: false,
    ...over,
  }
}
