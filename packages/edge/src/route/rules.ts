/** The rules by which one session gets one event, apart from its ACL (C4.1, C4.4 to C4.7). Pure. */
import type { BusEvent } from '@wazo-websocketd/shared/domain/event'
import type { Identity } from '@wazo-websocketd/shared/domain/identity'
import { EVERY_EVENT } from '@wazo-websocketd/shared/domain/protocol'

/** `acl`: an old Wazo without tenants, where only name and ACL decide. */
export type AccessScope = 'tenant' | 'acl'

/** Whether the names that a session subscribed to have the event's. */
export function isSubscribed(names: { has(name: string): boolean }, name: string): boolean {
  return names.has(name) || names.has(EVERY_EVENT)
}

/** Whether the event is of a tenant whose events the session may see. */
export function isOfTenant(identity: Identity, { tenant }: BusEvent, scope: AccessScope): boolean {
  return scope === 'acl' || identity.master || tenant === identity.tenantUuid
}

/** Whether the event is for the session's user, or the session sees those of every user of its tenant. */
export function isForUser(identity: Identity, { everyone, users }: BusEvent, scope: AccessScope): boolean {
  return scope === 'acl' || identity.admin || everyone || users.includes(identity.userUuid)
}
