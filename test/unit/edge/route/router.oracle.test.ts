import type { Recipient } from '@wazo-websocketd/edge/route/recipient'
import { SubscriptionIndex } from '@wazo-websocketd/edge/route/subscription-index'
import { Router } from '@wazo-websocketd/edge/route/router'
import type { AccessScope } from '@wazo-websocketd/edge/route/rules'
import type { BusEvent } from '@wazo-websocketd/shared/domain/event'
import type { Identity } from '@wazo-websocketd/shared/domain/identity'
import { expect } from 'chai'
import fc from 'fast-check'
import { judge } from '../../shared/domain/acl.oracle.js'
import { CountingMetrics, eventOf, FakeRecipient, identityOf } from '../../../support/fakes/recipients.js'

/** The rules C4.1 and C4.4 to C4.10, for one session, as they read. */
function maySee(session: Recipient, event: BusEvent, scope: AccessScope): boolean {
  const { identity, subscriptions } = session
  if (event.revocationOnly) return false
  const name = subscriptions.has(event.name) || subscriptions.has('*')
  const tenant = identity.master || event.tenant === identity.tenantUuid
  const user = identity.admin || event.everyone || event.users.some((u) => u === identity.userUuid)
  const acl =
    event.requiredAcl === null ||
    judge({
      patterns: identity.acl,
      text: event.requiredAcl,
      user: identity.userUuid,
      session: identity.sessionUuid,
    }) === 'allowed'
  return name && acl && (scope === 'acl' || (tenant && user))
}

const user = fc.constantFrom('u1', 'u2', 'u3', 'u.4')
const tenant = fc.constantFrom('t1', 't1', 't2')
const name = fc.constantFrom('foo', 'bar', '*')
const pattern = fc.constantFrom('#', 'x.me', 'x.*', '!x.u1', 'my_session.#', 'x.#.edit', '!#.u2', 'x.u3')
const identity: fc.Arbitrary<Identity> = fc
  .record({
    userUuid: user,
    sessionUuid: fc.constantFrom('s1', 's2', 'u1'),
    tenantUuid: tenant,
    admin: fc.constantFrom(false, false, false, true),
    master: fc.constantFrom(false, false, false, false, true),
    acl: fc.array(pattern, { maxLength: 3 }),
  })
  .map(identityOf)
const event: fc.Arbitrary<BusEvent> = fc
  .record({
    name,
    tenant: fc.option(tenant, { freq: 8 }),
    everyone: fc.boolean(),
    users: fc.array(user, { maxLength: 3 }),
    requiredAcl: fc.option(
      fc.constantFrom('x', 'x.u1', 'x.u2', 'x.me', 'x.u.4', 's1.a', 'u1.a', 'x.y.update', 'z'),
    ),
    revocationOnly: fc.constantFrom(...Array<boolean>(9).fill(false), true),
  })
  .map(eventOf)
const subscriptions = fc.uniqueArray(name, { maxLength: 3 })

/** One thing that happens; `of` picks a session of those there are. */
type Step =
  | { readonly kind: 'join'; readonly identity: Identity; readonly subscriptions: readonly string[] }
  | { readonly kind: 'leave'; readonly of: number }
  | { readonly kind: 'subscribe'; readonly of: number; readonly name: string }
  | { readonly kind: 'renew'; readonly of: number; readonly identity: Identity }
  | { readonly kind: 'event'; readonly event: BusEvent }

const of = fc.nat(1_000)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('join' as const), identity, subscriptions }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('leave' as const), of }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('subscribe' as const), of, name }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('renew' as const), of, identity }) },
  { weight: 7, arbitrary: fc.record({ kind: fc.constant('event' as const), event }) },
)

function pick(sessions: readonly FakeRecipient[], index: number): FakeRecipient | undefined {
  return sessions.length === 0 ? undefined : sessions[index % sessions.length]
}

/** Applies what is not an event. */
function change(
  step: Exclude<Step, { kind: 'event' }>,
  sessions: FakeRecipient[],
  index: SubscriptionIndex,
): void {
  if (step.kind === 'join') {
    const joined = new FakeRecipient(step.identity, step.subscriptions)
    sessions.push(joined)
    index.add(joined)
    return
  }
  const session = pick(sessions, step.of)
  if (session === undefined) return
  if (step.kind === 'leave') {
    index.remove(session)
    sessions.splice(sessions.indexOf(session), 1)
  } else if (step.kind === 'subscribe') {
    session.subscriptions.add(step.name)
    index.subscriptionChanged(session, step.name)
  } else {
    session.identity = step.identity
    index.identityReplaced(session)
  }
}

describe('router: against an oracle that asks every session', () => {
  for (const scope of ['tenant', 'acl'] as const)
    it(`delivers to exactly the sessions that may see each event, after any changes (scope ${scope})`, () => {
      const seen = { judged: 0, delivered: 0, withheld: 0 }
      fc.assert(
        fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
          const index = new SubscriptionIndex()
          const metrics = new CountingMetrics()
          const router = new Router({ index, accessScope: scope, metrics })
          const sessions: FakeRecipient[] = []
          let expectedToCount = 0
          let deliveries = 0
          for (const step of steps) {
            if (step.kind !== 'event') {
              change(step, sessions, index)
              continue
            }
            if (!step.event.revocationOnly) expectedToCount += sessions.length
            for (const session of sessions) session.got.length = 0
            router.route(step.event)
            for (const session of sessions) {
              const may = maySee(session, step.event, scope)
              expect(session.got.length).to.equal(may ? 1 : 0)
              deliveries += session.got.length
              expect(router.permits(session, step.event)).to.equal(may)
              seen.judged++
              if (may) seen.delivered++
              else seen.withheld++
            }
          }
          expect(deliveries + metrics.filteredInAll, 'every session counts once').to.equal(expectedToCount)
          for (const session of sessions) index.remove(session)
          expect(index.size).to.equal(0)
        }),
        { numRuns: 600 },
      )
      expect(seen.delivered / seen.judged, 'delivered').to.be.at.least(0.05)
      expect(seen.withheld / seen.judged, 'withheld').to.be.at.least(0.2)
    }).timeout(30_000)
})
