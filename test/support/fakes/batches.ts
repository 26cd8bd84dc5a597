import { encodeBatch } from '@wazo-websocketd/shared/domain/envelope'
import type { BusEvent } from '@wazo-websocketd/shared/domain/event'
import type { Epoch, Offset } from '@wazo-websocketd/shared/domain/position'

export const EPOCH = 'epoch-a' as Epoch
export const OTHER_EPOCH = 'epoch-b' as Epoch

/** An event that is told apart by its offset alone. */
export function event(offset: Offset): BusEvent {
  return {
    offset,
    name: 'sample',
    tenant: 'tenant',
    everyone: true,
    users: [],
    requiredAcl: null,
    revokedSession: null,
    revocationOnly: false,
    receivedAt: 0,
    body: new TextEncoder().encode(`{"offset":${offset}}`),
  }
}

/** The bytes of a batch with an event at each of `offsets`. */
export function batch(prev: Offset, last: Offset, offsets: readonly Offset[], epoch = EPOCH): Uint8Array {
  return encodeBatch({ epoch, prev, last, events: offsets.map(event) })
}
