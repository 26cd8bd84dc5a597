import type { Offset } from './position.js'

/** One event of the bus, as far as anyone after normalisation needs to know it. */
export interface BusEvent {
  readonly offset: Offset
  readonly name: string
  /** null: a service event, which only sessions of the master tenant see. */
  readonly tenant: string | null
  /** `user_uuid:*`: for every user of the tenant. */
  readonly everyone: boolean
  /** The users named by `user_uuid:<uuid>` headers. */
  readonly users: readonly string[]
  /** null: everybody who passes the other rules. */
  readonly requiredAcl: string | null
  /** The session_uuid that `auth_session_deleted` ends, or null. */
  readonly revokedSession: string | null
  /** The event stands in this partition only to end the revoked session; it is not delivered from here. */
  readonly revocationOnly: boolean
  /** When the ingest received it: milliseconds of Unix time. */
  readonly receivedAt: number
  /** The raw body of the bus message; never parsed or re-serialised after normalisation. */
  readonly body: Uint8Array
}

/**
 * The partition of a tenant's events: FNV-1a over the uuid, modulo `partitions`.
 * Events without a tenant go to partition 0.
 */
export function partitionOf(tenant: string | null, partitions: number): number {
  if (tenant === null || partitions === 1) return 0
  let hash = 0x811c9dc5
  for (let i = 0; i < tenant.length; i++) hash = Math.imul(hash ^ tenant.charCodeAt(i), 0x01000193)
  return (hash >>> 0) % partitions
}
