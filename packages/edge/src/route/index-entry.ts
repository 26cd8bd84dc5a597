import type { Identity } from '@wazo-websocketd/shared/domain/identity'
import type { AclClass } from './acl-classes.js'
import { type AclSubject, uuidLengths } from './acl-decision.js'
import type { TenantIndex } from './tenant-index.js'
import type { EntryList } from './entry-list.js'
import type { Recipient } from './recipient.js'

/** Holds a recipient in the index: what it takes to route to it, and to take it out again. */
export class IndexEntry implements AclSubject {
  // First, and so next to each other in memory, what a delivery reads.
  /** Number of the last event that it was considered for (`Router.eventId`). */
  lastEventId = 0
  aclClass: AclClass
  uuidLengths: number
  readonly recipient: Recipient
  /** The identity under which the recipient is indexed; ACL class, tenant and lists depend on it. */
  identity: Identity
  readonly tenantIndex: TenantIndex
  /** The list of its user, or of its tenant's admins; null among the masters. */
  readonly audienceList: EntryList | null
  /** The lists that it lies in, and its place in each (see `EntryList`). */
  lists: EntryList[] = []
  indexes: number[] = []

  constructor(
    recipient: Recipient,
    tenantIndex: TenantIndex,
    audienceList: EntryList | null,
    aclClass: AclClass,
  ) {
    this.recipient = recipient
    this.identity = recipient.identity
    this.uuidLengths = uuidLengths(recipient.identity)
    this.tenantIndex = tenantIndex
    this.audienceList = audienceList
    this.aclClass = aclClass
  }

  /** Takes over another identity of the same tenant, user and kind, and so with the same lists. */
  identify(identity: Identity, aclClass: AclClass): void {
    this.identity = identity
    this.uuidLengths = uuidLengths(identity)
    this.aclClass = aclClass
  }

  /** Gives back what growing arrays hold in reserve, once the entry lies in all of its lists. */
  settle(): void {
    this.lists = this.lists.slice()
    this.indexes = this.indexes.slice()
  }
}
