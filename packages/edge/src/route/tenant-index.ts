import { EVERY_EVENT } from '@wazo-websocketd/shared/domain/protocol'
import { EntryList } from './entry-list.js'

/** The sessions of one tenant, or those of the master tenant, by what events ask for. */
export class TenantIndex {
  /** The tenant's uuid; null for the masters. */
  readonly tenant: string | null
  size = 0
  /** Sessions that see the events of every user. Left empty in the group of masters, where all do. */
  readonly admins = new EntryList(null, '')
  /** Sessions that see the events of their own user only. */
  readonly byUser = new Map<string, EntryList>()
  /** Sessions by the names that they are subscribed to, `*` among them. */
  readonly byName = new Map<string, EntryList>()

  constructor(tenant: string | null) {
    this.tenant = tenant
  }

  /** How many sessions want events called `name`; those that want everything and name it as well count twice. */
  subscribersOf(name: string): number {
    return (this.byName.get(name)?.size ?? 0) + (this.byName.get(EVERY_EVENT)?.size ?? 0)
  }
}
