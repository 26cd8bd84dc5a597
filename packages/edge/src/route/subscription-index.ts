import type { Identity, TokenDetails } from '@wazo-websocketd/shared/domain/identity'
import { AclClasses } from './acl-classes.js'
import { IndexEntry } from './index-entry.js'
import { TenantIndex } from './tenant-index.js'
import { EntryList } from './entry-list.js'
import type { Recipient } from './recipient.js'

/**
 * Indexes started sessions: tenant -> user -> sessions, tenant -> event name -> sessions, the admins of each tenant,
 * the masters. Nothing is left of a tenant or an ACL once its last session is removed.
 */
export class SubscriptionIndex {
  readonly classes = new AclClasses()
  readonly masters = new TenantIndex(null)
  private readonly tenants = new Map<string, TenantIndex>()
  private entries = 0

  /** How many recipients are indexed. */
  get size(): number {
    return this.entries
  }

  /**
   * Returns the same details, sharing ACL and tenant with indexed sessions where they are equal, as those of a
   * tenant's users are.
   */
  readonly intern = (details: TokenDetails): TokenDetails => {
    const tenantUuid = this.tenants.get(details.tenantUuid)?.tenant ?? details.tenantUuid
    return { ...details, acl: this.classes.find(details.acl).acl, tenantUuid }
  }

  has(recipient: Recipient): boolean {
    return recipient.entry !== null
  }

  /** Returns the sessions of `tenant` that are no masters. */
  tenantOf(tenant: string): TenantIndex | undefined {
    return this.tenants.get(tenant)
  }

  /** Returns the indexes of all tenants; the masters are apart. */
  allTenants(): IterableIterator<TenantIndex> {
    return this.tenants.values()
  }

  /** Indexes the recipient under its present identity and subscriptions; again when it is indexed already. */
  add(recipient: Recipient): void {
    this.remove(recipient)
    const { identity } = recipient
    const tenantIndex = this.tenantIndexFor(identity)
    const audienceList = audienceListIn(tenantIndex, identity)
    const entry = new IndexEntry(recipient, tenantIndex, audienceList, this.classes.retain(identity.acl))
    recipient.entry = entry
    this.entries++
    tenantIndex.size++
    audienceList?.add(entry)
    for (const name of recipient.subscriptions) EntryList.in(tenantIndex.byName, name).add(entry)
    entry.settle()
  }

  /** Takes the recipient out of the index; ignored when it is not in it. */
  remove(recipient: Recipient): void {
    const { entry } = recipient
    if (entry === null) return
    recipient.entry = null
    this.entries--
    for (let n = 0; n < entry.lists.length; n++) entry.lists[n]?.removeAt(entry.indexes[n] ?? 0)
    this.classes.release(entry.aclClass)
    entry.tenantIndex.size--
    if (entry.tenantIndex.size === 0 && entry.tenantIndex.tenant !== null)
      this.tenants.delete(entry.tenantIndex.tenant)
  }

  /** The recipient's subscription to `name` has just begun; no op ends one. */
  subscriptionChanged(recipient: Recipient, name: string): void {
    const { entry } = recipient
    if (entry === null) return
    const list = EntryList.in(entry.tenantIndex.byName, name)
    if (!entry.lists.includes(list)) list.add(entry)
  }

  /** The recipient's identity has just been replaced. */
  identityReplaced(recipient: Recipient): void {
    const { entry, identity } = recipient
    if (entry === null) return
    if (!haveSameLists(entry.identity, identity)) {
      this.add(recipient)
      return
    }
    const before = entry.aclClass
    entry.identify(identity, this.classes.retain(identity.acl))
    this.classes.release(before)
  }

  private tenantIndexFor(identity: Identity): TenantIndex {
    if (identity.master) return this.masters
    let tenantIndex = this.tenants.get(identity.tenantUuid)
    if (tenantIndex === undefined)
      this.tenants.set(identity.tenantUuid, (tenantIndex = new TenantIndex(identity.tenantUuid)))
    return tenantIndex
  }
}

/** Whether a recipient lies in the same lists under both identities: all names that it has cost nothing then. */
function haveSameLists(one: Identity, other: Identity): boolean {
  if (one.master || other.master) return one.master && other.master
  return one.tenantUuid === other.tenantUuid && one.admin === other.admin && one.userUuid === other.userUuid
}

/** Returns the list by which events for certain users find the session. */
function audienceListIn(tenantIndex: TenantIndex, identity: Identity): EntryList | null {
  if (identity.master) return null
  return identity.admin ? tenantIndex.admins : EntryList.in(tenantIndex.byUser, identity.userUuid)
}
