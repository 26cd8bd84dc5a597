import type { IndexEntry } from '@wazo-websocketd/edge/route/index-entry'
import type { FilterReason, RouteMetrics } from '@wazo-websocketd/edge/route/metrics'
import type { Recipient } from '@wazo-websocketd/edge/route/recipient'
import type { BusEvent } from '@wazo-websocketd/shared/domain/event'
import type { Identity } from '@wazo-websocketd/shared/domain/identity'

/** A session that keeps what it is given. */
export class FakeRecipient implements Recipient {
  identity: Identity
  readonly subscriptions: Set<string>
  readonly got: BusEvent[] = []
  onDeliver: (() => void) | null = null
  entry: IndexEntry | null = null

  constructor(identity: Partial<Identity>, subscriptions: Iterable<string>) {
    this.identity = identityOf(identity)
    this.subscriptions = new Set(subscriptions)
  }

  deliver(event: BusEvent): void {
    this.got.push(event)
    this.onDeliver?.()
  }
}

export function identityOf(some: Partial<Identity>): Identity {
  const master = some.master ?? false
  return {
    sessionUuid: 'session',
    userUuid: 'user',
    tenantUuid: 'tenant',
    acl: ['#'],
    ...some,
    master,
    admin: master || (some.admin ?? false),
  }
}

export function eventOf(some: Partial<BusEvent>): BusEvent {
  return {
    offset: 1,
    name: 'foo',
    tenant: 'tenant',
    everyone: true,
    users: [],
    requiredAcl: null,
    revokedSession: null,
    revocationOnly: false,
    receivedAt: 0,
    body: new Uint8Array(),
    ...some,
  }
}

export class CountingMetrics implements RouteMetrics {
  events = 0
  evaluations = 0
  readonly kept: Record<FilterReason, number> = { tenant: 0, user: 0, name: 0, acl: 0 }

  received(): void {
    this.events++
  }

  filtered(reason: FilterReason, sessions: number): void {
    this.kept[reason] += sessions
  }

  aclEvaluated(decisions: number): void {
    this.evaluations += decisions
  }

  fanOutTook(): void {
    // The worker counts it.
  }

  get filteredInAll(): number {
    return this.kept.tenant + this.kept.user + this.kept.name + this.kept.acl
  }
}
