import type { BusEvent } from '@wazo-websocketd/shared/domain/event'
import { EVERY_EVENT } from '@wazo-websocketd/shared/domain/protocol'
import { AclDecision, uuidLengths } from './acl-decision.js'
import type { IndexEntry } from './index-entry.js'
import type { TenantIndex } from './tenant-index.js'
import type { EntryList } from './entry-list.js'
import type { FilterReason, RouteMetrics } from './metrics.js'
import type { Recipient } from './recipient.js'
import { isForUser, isOfTenant, isSubscribed, type AccessScope } from './rules.js'
import type { SubscriptionIndex } from './subscription-index.js'

export interface RouterOptions {
  readonly index: SubscriptionIndex
  readonly accessScope: AccessScope
  readonly metrics: RouteMetrics
}

/**
 * Hands each event to the indexed sessions that may have it: name (C4.1), tenant (C4.4, C4.7), user (C4.5, C4.6) and
 * ACL (C4.9, C4.10); the ingest has dropped other origins. An event costs what its receivers cost: the smaller of its
 * audience and its subscribers is walked. A recipient may remove any recipient from the index while it is delivered
 * to.
 */
export class Router {
  private readonly index: SubscriptionIndex
  private readonly accessScope: AccessScope
  private readonly metrics: RouteMetrics
  private readonly acl = new AclDecision()
  /** Number of the event being routed; noted in the entries that were considered for it. */
  private eventId = 0
  private considered = 0
  private delivered = 0

  constructor({ index, accessScope, metrics }: RouterOptions) {
    this.index = index
    this.accessScope = accessScope
    this.metrics = metrics
  }

  /** Delivers `event` to every indexed recipient that may see it and subscribed to it, once. */
  route(event: BusEvent): void {
    if (event.revocationOnly) return
    this.eventId++
    this.considered = 0
    this.delivered = 0
    this.acl.begin(event.requiredAcl)
    const evaluations = this.acl.evaluations
    const indexed = this.index.size
    if (this.accessScope === 'acl') this.routeToEveryTenant(event, indexed)
    else this.routeByTenant(event, indexed)
    this.metrics.received()
    if (this.acl.evaluations > evaluations) this.metrics.aclEvaluated(this.acl.evaluations - evaluations)
  }

  /** Whether `recipient`, indexed or not, may see `event` and subscribed to it. */
  permits(recipient: Recipient, event: BusEvent): boolean {
    const { identity } = recipient
    const { accessScope } = this
    if (event.revocationOnly || !isSubscribed(recipient.subscriptions, event.name)) return false
    if (!isOfTenant(identity, event, accessScope) || !isForUser(identity, event, accessScope)) return false
    const evaluations = this.acl.evaluations
    const aclClass = this.index.classes.find(identity.acl)
    const subject = { identity, aclClass, uuidLengths: uuidLengths(identity) }
    const permitted = this.acl.admitsOnce(event.requiredAcl, subject)
    if (this.acl.evaluations > evaluations) this.metrics.aclEvaluated(1)
    return permitted
  }

  private routeToEveryTenant(event: BusEvent, indexed: number): void {
    this.toSubscribers(this.index.masters, event, false)
    for (const tenantIndex of this.index.allTenants()) this.toSubscribers(tenantIndex, event, false)
    this.count('name', indexed - this.considered)
    this.count('acl', this.considered - this.delivered)
  }

  private routeByTenant(event: BusEvent, indexed: number): void {
    const masters = this.index.masters.size
    const tenantIndex = event.tenant === null ? undefined : this.index.tenantOf(event.tenant)
    const members = tenantIndex?.size ?? 0
    const audience = tenantIndex === undefined ? 0 : this.audienceIn(tenantIndex, event)
    this.toSubscribers(this.index.masters, event, false)
    if (tenantIndex !== undefined) this.routeInTenant(tenantIndex, event, audience)
    this.count('tenant', indexed - masters - members)
    this.count('user', members - audience)
    this.count('name', masters + audience - this.considered)
    this.count('acl', this.considered - this.delivered)
  }

  /**
   * Marks the lists of sessions that see `event` by its users (C4.5, C4.6), and returns how many sessions that are.
   */
  private audienceIn(tenantIndex: TenantIndex, event: BusEvent): number {
    if (event.everyone) return tenantIndex.size
    tenantIndex.admins.lastEventId = this.eventId
    let audience = tenantIndex.admins.size
    for (const user of event.users) {
      const list = tenantIndex.byUser.get(user)
      if (list === undefined || list.lastEventId === this.eventId) continue
      list.lastEventId = this.eventId
      audience += list.size
    }
    return audience
  }

  private routeInTenant(tenantIndex: TenantIndex, event: BusEvent, audience: number): void {
    if (audience === 0) return
    if (event.everyone || tenantIndex.subscribersOf(event.name) < audience) {
      this.toSubscribers(tenantIndex, event, !event.everyone)
      return
    }
    this.toAudience(tenantIndex.admins, event)
    for (const user of event.users) this.toAudience(tenantIndex.byUser.get(user), event)
  }

  /** Walks the subscribers of the event's name; `audienceOnly`: skips those outside the marked lists. */
  private toSubscribers(tenantIndex: TenantIndex, event: BusEvent, audienceOnly: boolean): void {
    this.walkSubscribers(tenantIndex.byName.get(event.name), event, audienceOnly)
    if (event.name !== EVERY_EVENT)
      this.walkSubscribers(tenantIndex.byName.get(EVERY_EVENT), event, audienceOnly)
  }

  private walkSubscribers(list: EntryList | undefined, event: BusEvent, audienceOnly: boolean): void {
    if (list === undefined) return
    for (let place = list.size - 1; place >= 0; place--) {
      const entry = list.at(place)
      if (entry === undefined || entry.lastEventId === this.eventId) continue
      if (audienceOnly && entry.audienceList?.lastEventId !== this.eventId) continue
      this.deliverIfPermitted(entry, event)
    }
  }

  /** Walks a list of the audience; skips those that did not subscribe to the event's name. */
  private toAudience(list: EntryList | undefined, event: BusEvent): void {
    if (list === undefined) return
    for (let place = list.size - 1; place >= 0; place--) {
      const entry = list.at(place)
      if (entry === undefined || entry.lastEventId === this.eventId) continue
      if (isSubscribed(entry.recipient.subscriptions, event.name)) this.deliverIfPermitted(entry, event)
    }
  }

  private deliverIfPermitted(entry: IndexEntry, event: BusEvent): void {
    entry.lastEventId = this.eventId
    this.considered++
    if (!this.acl.admits(entry)) return
    this.delivered++
    entry.recipient.deliver(event)
  }

  private count(reason: FilterReason, sessions: number): void {
    if (sessions > 0) this.metrics.filtered(reason, sessions)
  }
}
