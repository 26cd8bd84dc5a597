import { partitionOf } from '@wazo-websocketd/shared/domain/event'
import type { Identity } from '@wazo-websocketd/shared/domain/identity'

/** How events are spread over partitions, and over sessions. */
export interface Partitioning {
  readonly partitions: number
  /** Whether every session sees every tenant (`bus.access_scope: acl`, C4.17). */
  readonly everyTenant: boolean
}

const FIRST: readonly number[] = [0]

/**
 * Returns the partitions in which events for this identity may stand, in rising order. A session that sees every
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
