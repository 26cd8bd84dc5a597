import { partitionOf } from '@wazo-websocketd/shared/domain/event'

/** A tenant whose events go to a partition. */
export function tenantOf(partition: number, partitions: number): string {
  for (let n = 0; ; n++) {
    const tenant = `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`
    if (partitionOf(tenant, partitions) === partition) return tenant
  }
}
