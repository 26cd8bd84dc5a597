import { partitionOf } from '@wazo-websocketd/shared/domain/event'
import type { Identity } from '@wazo-websocketd/shared/domain/identity'

/** How the events are spread over partitions, and who may see which. */
export interface Partitioning {
  readonly partitions: number
  /** `bus.access_scope: acl`: tenants do not bound what a session sees. */
  readonly everyTenant: boolean
}

const FIRST: readonly number[] = [0]

/**
 * The partitions in which events for this identity may stand, in rising order. A session that sees every
 * tenant needs all of them. Partition 0 is held by the worker itself: it carries the ingests' states.
 */
export function partitionsFor(
  identity: Identity,
  { partitions, everyTenant }: Partitioning,
): readonly number[] {
  if (partitions === 1) return FIRST
  if (identity.master || everyTenant) return Array.from({ length: partitions }, (_, partition) => partition)
  return [partitionOf(identity.tenantUuid, partitions)]
}
