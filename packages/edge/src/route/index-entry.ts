import type { Identity } from '@wazo-websocketd/shared/domain/identity'
import type { AclClass } from './acl-classes.js'
import { type AclSubject, uuidLengths } from './acl-decision.js'
import type { TenantIndex } from './tenant-index.js'
import type { EntryList } from './entry-list.js'
import type { Recipient } from './recipient.js'

/** A recipient's place in the indexes: what the registry has to know to take it out again. */
export class IndexEntry implements AclSubject {
  // First, and so next to each other in memory, what a delivery needs.
  /** The last event that it was considered for, by the router's count. */
  lastEventId = 0
  readonly aclClass: AclClass
  readonly uuidLengths: number
  readonly recipient: Recipient
  /** The identity under which the recipient is indexed; what follows goes with it. */
  readonly identity: Identity
  readonly tenantIndex: TenantIndex
  /** The list of its user, or of its group's admins; null in the group of masters. */
  readonly audienceList: EntryList | null
  /** The lists that it lies in, and its place in each (see List). */
  lists: EntryList[] = []
  places: number[] = []

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

  /** It lies in all lists that it is to lie in for now: what growing arrays hold in reserve is given back. */
  settle(): void {
    this.lists = this.lists.slice()
    this.places = this.places.slice()
  }
}
