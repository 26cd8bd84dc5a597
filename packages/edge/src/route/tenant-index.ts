import { EVERY_EVENT } from '@wazo-websocketd/shared/domain/protocol'
import { EntryList } from './entry-list.js'

/** Indexes the sessions of one tenant, or those of the master tenant, by what events name. */
export class TenantIndex {
  /** The tenant's uuid; null for the masters. */
  readonly tenant: string | null
  size = 0
  /** Sessions that see the events of every user. Empty among the masters, where all do. */
  readonly admins = new EntryList(null, '')
  /** Sessions that see the events of their own user only. */
  readonly byUser = new Map<string, EntryList>()
  /** Sessions by the names that they are subscribed to, also `*`. */
  readonly byName = new Map<string, EntryList>()

  constructor(tenant: string | null) {
    this.tenant = tenant
  }

  /** Counts the sessions subscribed to `name` or to `*`; those with both count twice. */
  subscribersOf(name: string): number {
    return (this.byName.get(name)?.size ?? 0) + (this.byName.get(EVERY_EVENT)?.size ?? 0)
  }
}
