import type { Identity, TokenDetails } from '@wazo-websocketd/shared/domain/identity'
import { AclClasses } from './acl-classes.js'
import { Entry } from './index-entry.js'
import { Group } from './tenant-index.js'
import { List } from './entry-list.js'
import type { Recipient } from './recipient.js'

/**
 * The index of started sessions: tenant -> user -> sessions, tenant -> event name -> sessions, the admins of
 * each tenant, the masters. Nothing is left of a session, its tenant or its ACL once the last one is removed.
 */
export class Registry {
  readonly classes = new AclClasses()
  readonly masters = new Group(null)
  private readonly tenants = new Map<string, Group>()
  private entries = 0

  /** How many recipients are indexed. */
  get size(): number {
    return this.entries
  }

  /** The same, with the ACL and the tenant's name that stand for all equal ones of registered sessions; users of a tenant have equal ones. */
  readonly share = (details: TokenDetails): TokenDetails => {
    const tenantUuid = this.tenants.get(details.tenantUuid)?.tenant ?? details.tenantUuid
    return { ...details, acl: this.classes.find(details.acl).acl, tenantUuid }
  }

  /** The sessions of `tenant` that are no masters. */
  groupOf(tenant: string): Group | undefined {
    return this.tenants.get(tenant)
  }

  /** All groups of tenants; the masters are apart. */
  groups(): IterableIterator<Group> {
    return this.tenants.values()
  }

  /** Indexes the recipient under its present identity and subscriptions; again when it is indexed already. */
  add(recipient: Recipient): void {
    this.remove(recipient)
    const { identity } = recipient
    const group = this.groupFor(identity)
    const home = homeIn(group, identity)
    const entry = new Entry(recipient, group, home, this.classes.retain(identity.acl))
    recipient.entry = entry
    this.entries++
    group.size++
    home?.add(entry)
    for (const name of recipient.subscriptions) List.in(group.byName, name).add(entry)
    entry.settle()
  }

  /** Takes the recipient out of every index; nothing happens when it is in none. */
  remove(recipient: Recipient): void {
    const { entry } = recipient
    if (entry === null) return
    recipient.entry = null
    this.entries--
    for (let n = 0; n < entry.lists.length; n++) entry.lists[n]?.removeAt(entry.places[n] ?? 0)
    this.classes.release(entry.aclClass)
    entry.group.size--
    if (entry.group.size === 0 && entry.group.tenant !== null) this.tenants.delete(entry.group.tenant)
  }

  /** `name` has just joined the recipient's subscriptions. */
  subscribed(recipient: Recipient, name: string): void {
    const { entry } = recipient
    if (entry === null) return
    const list = List.in(entry.group.byName, name)
    if (!entry.lists.includes(list)) list.add(entry)
  }

  /** The recipient's identity has just been replaced. */
  identified(recipient: Recipient): void {
    if (recipient.entry !== null) this.add(recipient)
  }

  private groupFor(identity: Identity): Group {
    if (identity.master) return this.masters
    let group = this.tenants.get(identity.tenantUuid)
    if (group === undefined) this.tenants.set(identity.tenantUuid, (group = new Group(identity.tenantUuid)))
    return group
  }
}

/** The list that tells whether events for certain users concern the session. */
function homeIn(group: Group, identity: Identity): List | null {
  if (identity.master) return null
  return identity.admin ? group.admins : List.in(group.byUser, identity.userUuid)
}
