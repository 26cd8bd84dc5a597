import type { BusEvent } from '@wazo-websocketd/shared/domain/event'
import { EVERY_EVENT } from '@wazo-websocketd/shared/domain/protocol'
import { AclJudge, uuidLengths } from './acl-decision.js'
import type { Entry } from './index-entry.js'
import type { Group } from './tenant-index.js'
import type { List } from './entry-list.js'
import type { FilterReason, RouteMetrics } from './metrics.js'
import type { Recipient } from './recipient.js'
import type { Registry } from './subscription-index.js'

/** `acl`: an old Wazo without tenants, where only name and ACL decide. */
export type AccessScope = 'tenant' | 'acl'

export interface RouterOptions {
  readonly registry: Registry
  readonly accessScope: AccessScope
  readonly metrics: RouteMetrics
}

/**
 * Hands each event to the registered sessions that the contract's section 4 lets have it (rules 1 and 3 to 5;
 * the ingest has dropped other origins). An event costs what its receivers cost: the smaller of its audience
 * and its subscribers is walked. A recipient may remove any recipient from the registry while it is delivered to.
 */
export class Router {
  private readonly registry: Registry
  private readonly accessScope: AccessScope
  private readonly metrics: RouteMetrics
  private readonly judge = new AclJudge()
  /** Number of the event being routed; stamped on the entries that were considered for it. */
  private event = 0
  private considered = 0
  private delivered = 0

  constructor({ registry, accessScope, metrics }: RouterOptions) {
    this.registry = registry
    this.accessScope = accessScope
    this.metrics = metrics
  }

  /** Delivers `event` to every registered recipient that may see it and asked for it, once. */
  route(event: BusEvent): void {
    if (event.revocationOnly) return
    this.event++
    this.considered = 0
    this.delivered = 0
    this.judge.begin(event.requiredAcl)
    const evaluations = this.judge.evaluations
    const registered = this.registry.size
    if (this.accessScope === 'acl') this.routeToEveryGroup(event, registered)
    else this.routeByTenant(event, registered)
    this.metrics.received()
    if (this.judge.evaluations > evaluations) this.metrics.aclEvaluated(this.judge.evaluations - evaluations)
  }

  /** Whether `recipient`, registered or not, may see `event` and asked for it. */
  permits(recipient: Recipient, event: BusEvent): boolean {
    const { identity } = recipient
    if (event.revocationOnly || !wants(recipient, event.name)) return false
    if (this.accessScope === 'tenant' && !identity.master) {
      if (event.tenant !== identity.tenantUuid) return false
      if (!identity.admin && !event.everyone && !event.users.includes(identity.userUuid)) return false
    }
    const evaluations = this.judge.evaluations
    const aclClass = this.registry.classes.find(identity.acl)
    const subject = { identity, aclClass, uuidLengths: uuidLengths(identity) }
    const permitted = this.judge.admitsOnce(event.requiredAcl, subject)
    if (this.judge.evaluations > evaluations) this.metrics.aclEvaluated(1)
    return permitted
  }

  private routeToEveryGroup(event: BusEvent, registered: number): void {
    this.toSubscribers(this.registry.masters, event, false)
    for (const group of this.registry.groups()) this.toSubscribers(group, event, false)
    this.count('name', registered - this.considered)
    this.count('acl', this.considered - this.delivered)
  }

  private routeByTenant(event: BusEvent, registered: number): void {
    const masters = this.registry.masters.size
    const group = event.tenant === null ? undefined : this.registry.groupOf(event.tenant)
    const members = group?.size ?? 0
    const audience = group === undefined ? 0 : this.audienceIn(group, event)
    this.toSubscribers(this.registry.masters, event, false)
    if (group !== undefined) this.routeInGroup(group, event, audience)
    this.count('tenant', registered - masters - members)
    this.count('user', members - audience)
    this.count('name', masters + audience - this.considered)
    this.count('acl', this.considered - this.delivered)
  }

  /** Marks the lists whose sessions rule 4 lets have `event`, and returns how many sessions that are. */
  private audienceIn(group: Group, event: BusEvent): number {
    if (event.everyone) return group.size
    group.admins.stamp = this.event
    let audience = group.admins.size
    for (const user of event.users) {
      const list = group.byUser.get(user)
      if (list === undefined || list.stamp === this.event) continue
      list.stamp = this.event
      audience += list.size
    }
    return audience
  }

  private routeInGroup(group: Group, event: BusEvent, audience: number): void {
    if (audience === 0) return
    if (event.everyone || group.wanting(event.name) < audience) {
      this.toSubscribers(group, event, !event.everyone)
      return
    }
    this.toAudience(group.admins, event)
    for (const user of event.users) this.toAudience(group.byUser.get(user), event)
  }

  /** Walks the subscribers of the event's name; `audienceOnly`: skips those outside the marked lists. */
  private toSubscribers(group: Group, event: BusEvent, audienceOnly: boolean): void {
    this.walkSubscribers(group.byName.get(event.name), event, audienceOnly)
    if (event.name !== EVERY_EVENT) this.walkSubscribers(group.byName.get(EVERY_EVENT), event, audienceOnly)
  }

  private walkSubscribers(list: List | undefined, event: BusEvent, audienceOnly: boolean): void {
    if (list === undefined) return
    for (let place = list.size - 1; place >= 0; place--) {
      const entry = list.at(place)
      if (entry === undefined || entry.stamp === this.event) continue
      if (audienceOnly && entry.home?.stamp !== this.event) continue
      this.consider(entry, event)
    }
  }

  /** Walks a list of the audience; skips those that did not ask for the event's name. */
  private toAudience(list: List | undefined, event: BusEvent): void {
    if (list === undefined) return
    for (let place = list.size - 1; place >= 0; place--) {
      const entry = list.at(place)
      if (entry === undefined || entry.stamp === this.event) continue
      if (wants(entry.recipient, event.name)) this.consider(entry, event)
    }
  }

  private consider(entry: Entry, event: BusEvent): void {
    entry.stamp = this.event
    this.considered++
    if (!this.judge.admits(entry)) return
    this.delivered++
    entry.recipient.deliver(event)
  }

  private count(reason: FilterReason, sessions: number): void {
    if (sessions > 0) this.metrics.filtered(reason, sessions)
  }
}

function wants(recipient: Recipient, name: string): boolean {
  return recipient.subscriptions.has(name) || recipient.subscriptions.has(EVERY_EVENT)
}
