import { SubscriptionIndex } from '@wazo-websocketd/edge/route/subscription-index'
import { Router } from '@wazo-websocketd/edge/route/router'
import type { AccessScope } from '@wazo-websocketd/edge/route/rules'
import type { BusEvent } from '@wazo-websocketd/shared/domain/event'
import { expect } from 'chai'
import { CountingMetrics, eventOf, FakeRecipient } from '../../../support/fakes/recipients.js'

function setUp(recipients: readonly FakeRecipient[], accessScope: AccessScope = 'tenant') {
  const index = new SubscriptionIndex()
  const metrics = new CountingMetrics()
  const router = new Router({ index, accessScope, metrics })
  for (const recipient of recipients) index.add(recipient)
  return { index, metrics, router }
}

/** The indexes of the recipients that get the event. */
function receivers(
  recipients: readonly FakeRecipient[],
  event: BusEvent,
  accessScope: AccessScope = 'tenant',
): number[] {
  const { router } = setUp(recipients, accessScope)
  router.route(event)
  return recipients.flatMap((recipient, i) => recipient.got.map(() => i))
}

describe('router: the rules C4.1 to C4.11', () => {
  const kinds = () => [
    new FakeRecipient({ userUuid: 'u1' }, ['foo']),
    new FakeRecipient({ userUuid: 'u2' }, ['foo']),
    new FakeRecipient({ userUuid: 'a1', admin: true }, ['foo']),
    new FakeRecipient({ userUuid: 'u1', tenantUuid: 'other' }, ['foo']),
    new FakeRecipient({ userUuid: 'a2', tenantUuid: 'other', admin: true }, ['foo']),
    new FakeRecipient({ userUuid: 'm', tenantUuid: 'master', master: true }, ['foo']),
  ]

  it('an event for everyone goes to its tenant and the masters', () => {
    expect(receivers(kinds(), eventOf({ everyone: true }))).to.deep.equal([0, 1, 2, 5])
  })

  it('an event for a user goes to the user, the admins of the tenant and the masters', () => {
    expect(receivers(kinds(), eventOf({ everyone: false, users: ['u1'] }))).to.deep.equal([0, 2, 5])
    expect(receivers(kinds(), eventOf({ everyone: false, users: ['u1', 'u2', 'u1'] }))).to.deep.equal([
      0, 1, 2, 5,
    ])
  })

  it('an event without users goes to the admins of the tenant and the masters', () => {
    expect(receivers(kinds(), eventOf({ everyone: false }))).to.deep.equal([2, 5])
  })

  it('an event without a tenant goes to the masters only', () => {
    expect(receivers(kinds(), eventOf({ tenant: null }))).to.deep.equal([5])
    expect(receivers(kinds(), eventOf({ tenant: 'unknown' }))).to.deep.equal([5])
    expect(receivers(kinds(), eventOf({ tenant: 'master' }))).to.deep.equal([5])
  })

  it('a user event reaches only the user of its own tenant, even when uuids are shared', () => {
    expect(receivers(kinds(), eventOf({ tenant: 'other', everyone: false, users: ['u1'] }))).to.deep.equal([
      3, 4, 5,
    ])
  })

  it('in the scope acl neither tenant nor user matters', () => {
    expect(receivers(kinds(), eventOf({ everyone: false, tenant: null }), 'acl')).to.deep.equal([
      0, 1, 2, 3, 4, 5,
    ])
    const some = [
      new FakeRecipient({ acl: ['a.*'] }, ['foo']),
      new FakeRecipient({ acl: ['b'], tenantUuid: 'other' }, ['foo']),
      new FakeRecipient({ acl: ['a.b'] }, ['bar']),
    ]
    expect(receivers(some, eventOf({ requiredAcl: 'a.b', everyone: false }), 'acl')).to.deep.equal([0])
  })

  it('a session gets what it is subscribed to, and each event once', () => {
    const sessions = [
      new FakeRecipient({}, ['foo']),
      new FakeRecipient({}, ['*']),
      new FakeRecipient({}, ['*', 'foo', 'bar']),
      new FakeRecipient({}, ['bar']),
      new FakeRecipient({}, []),
      new FakeRecipient({ admin: true }, ['foo', '*']),
      new FakeRecipient({ master: true }, ['foo', '*']),
    ]
    expect(receivers(sessions, eventOf({}))).to.deep.equal([0, 1, 2, 5, 6])
  })

  it('a name like that of an object member is a name like any other', () => {
    const sessions = [new FakeRecipient({}, ['__proto__']), new FakeRecipient({}, ['constructor'])]
    expect(receivers(sessions, eventOf({ name: '__proto__' }))).to.deep.equal([0])
    expect(receivers([new FakeRecipient({}, ['*'])], eventOf({ name: '*' }))).to.deep.equal([0])
  })

  it('the ACL decides after all else, and null lets everybody pass', () => {
    const sessions = [
      new FakeRecipient({ acl: ['events.calls.me'], userUuid: 'u1' }, ['foo']),
      new FakeRecipient({ acl: ['events.calls.me'], userUuid: 'u2' }, ['foo']),
      new FakeRecipient({ acl: ['events.#', '!events.calls.u1'], userUuid: 'u3' }, ['foo']),
      new FakeRecipient({ acl: [], userUuid: 'u4' }, ['foo']),
      new FakeRecipient({ acl: ['events.calls.my_session'], sessionUuid: 'u1' }, ['foo']),
    ]
    expect(receivers(sessions, eventOf({ requiredAcl: 'events.calls.u1' }))).to.deep.equal([0, 4])
    for (const s of sessions) Object.assign(s, { got: [], entry: null })
    expect(receivers(sessions, eventOf({ requiredAcl: null }))).to.deep.equal([0, 1, 2, 3, 4])
  })

  it('an event that is here only to end a session is neither delivered nor counted', () => {
    const recipient = new FakeRecipient({}, ['*'])
    const { router, metrics } = setUp([recipient])
    router.route(eventOf({ revocationOnly: true, revokedSession: 'x' }))
    expect(recipient.got).to.have.length(0)
    expect(metrics.events).to.equal(0)
    expect(router.permits(recipient, eventOf({ revocationOnly: true }))).to.equal(false)
  })
})

describe('router: changes', () => {
  it('a name subscribed later counts from then on', () => {
    const recipient = new FakeRecipient({}, [])
    const { router, index } = setUp([recipient])
    router.route(eventOf({}))
    recipient.subscriptions.add('foo')
    index.subscriptionChanged(recipient, 'foo')
    index.subscriptionChanged(recipient, 'foo')
    router.route(eventOf({ offset: 2 }))
    expect(recipient.got.map((e) => e.offset)).to.deep.equal([2])
  })

  it('a new identity replaces rights at once', () => {
    const recipient = new FakeRecipient({ tenantUuid: 't1', acl: ['a'] }, ['foo'])
    const { router, index } = setUp([recipient])
    router.route(eventOf({ offset: 1, tenant: 't1', requiredAcl: 'a' }))
    recipient.identity = { ...recipient.identity, tenantUuid: 't2', acl: ['b'] }
    index.identityReplaced(recipient)
    router.route(eventOf({ offset: 2, tenant: 't1', requiredAcl: 'b' }))
    router.route(eventOf({ offset: 3, tenant: 't2', requiredAcl: 'a' }))
    router.route(eventOf({ offset: 4, tenant: 't2', requiredAcl: 'b' }))
    expect(recipient.got.map((e) => e.offset)).to.deep.equal([1, 4])
  })

  it('a removed session gets nothing more', () => {
    const recipient = new FakeRecipient({}, ['foo'])
    const { router, index } = setUp([recipient])
    index.remove(recipient)
    index.subscriptionChanged(recipient, 'foo')
    index.identityReplaced(recipient)
    router.route(eventOf({}))
    expect(recipient.got).to.have.length(0)
  })

  for (const event of [
    eventOf({}),
    eventOf({ everyone: false, users: ['u0', 'u1', 'u2'] }),
    eventOf({ everyone: false, users: ['u0', 'u1', 'u2'], name: 'rare' }),
  ])
    it(`sessions removed by a delivery are left out, no other is missed: ${event.name}, ${event.users.length} users`, () => {
      for (let round = 0; round < 200; round++) {
        const sessions = Array.from(
          { length: 12 },
          (_, i) =>
            new FakeRecipient(
              { userUuid: `u${i % 3}`, sessionUuid: `s${i}`, admin: i === 7, master: i === 8 },
              i % 4 === 0 ? ['*', 'foo', 'rare'] : ['foo', 'bar', 'rare'],
            ),
        )
        const { router, index } = setUp(sessions)
        const removed = new Set<FakeRecipient>()
        sessions.forEach((session, i) => {
          session.onDeliver = () => {
            for (let k = 0; k < (round >> 4) % 5; k++) {
              const victim = sessions[(i * 7 + round * (k + 1)) % sessions.length]!
              if (victim.got.length === 0) removed.add(victim)
              index.remove(victim)
            }
          }
        })
        router.route(event)
        for (const [i, session] of sessions.entries())
          expect(session.got.length, `round ${round}, session ${i}`).to.equal(removed.has(session) ? 0 : 1)
      }
    })
})

describe('router: what an event costs', () => {
  /** A session that counts how often the router looks at it. */
  class Watched extends FakeRecipient {
    looks = 0
    override readonly subscriptions: Set<string>
    constructor(...args: ConstructorParameters<typeof FakeRecipient>) {
      super(...args)
      const watched = this as { looks: number }
      this.subscriptions = new Set(args[1])
      const has = this.subscriptions.has.bind(this.subscriptions)
      this.subscriptions.has = (name) => {
        watched.looks++
        return has(name)
      }
      const identity = this.identity
      Object.defineProperty(this, 'identity', {
        get: () => {
          watched.looks++
          return identity
        },
      })
    }
  }

  it('an event for one user looks at that user only, however many sessions there are', () => {
    const crowd = Array.from({ length: 500 }, (_, i) => new Watched({ userUuid: `u${i}` }, ['foo', '*']))
    const { router } = setUp(crowd)
    for (const session of crowd) session.looks = 0
    router.route(eventOf({ everyone: false, users: ['u3'] }))
    expect(crowd.map((s) => s.looks).reduce((a, b) => a + b)).to.be.within(1, 4)
    expect(crowd[3]!.got).to.have.length(1)
  })

  it('an event that few are subscribed to looks at these only', () => {
    const crowd = Array.from(
      { length: 500 },
      (_, i) => new Watched({ admin: true }, i === 3 ? ['foo'] : ['bar']),
    )
    const { router } = setUp(crowd)
    for (const session of crowd) session.looks = 0
    router.route(eventOf({ everyone: false, users: ['user'] }))
    expect(crowd.map((s) => s.looks).reduce((a, b) => a + b)).to.be.at.most(4)
    expect(crowd[3]!.got).to.have.length(1)
  })

  it('evaluates an ACL once per class and required ACL, and per user only where the user is named', () => {
    const lists = [['events.calls.me', 'a.#'], ['events.#'], ['other']]
    const sessions = Array.from({ length: 90 }, (_, i) => {
      const user = `u${i % 10}`
      return new FakeRecipient({ acl: [...lists[i % 3]!], userUuid: user, sessionUuid: `s${i % 10}` }, [
        'foo',
      ])
    })
    const { router, metrics } = setUp(sessions)
    for (let i = 0; i < 5; i++) router.route(eventOf({ requiredAcl: 'events.calls' }))
    expect(metrics.evaluations).to.equal(3)
    for (let i = 0; i < 5; i++) router.route(eventOf({ requiredAcl: 'events.calls.u1' }))
    expect(metrics.evaluations).to.equal(3 + 3 + 1)
    router.route(eventOf({ requiredAcl: null }))
    expect(metrics.evaluations).to.equal(7)
    expect(router.permits(sessions[0]!, eventOf({ requiredAcl: 'events.calls' }))).to.equal(false)
    expect(metrics.evaluations, 'remembered').to.equal(7)
    expect(router.permits(sessions[0]!, eventOf({ requiredAcl: 'a.new' }))).to.equal(true)
    expect(metrics.evaluations).to.equal(8)
  })
})

describe('router: what it counts', () => {
  it('counts each session under the first rule that it fails', () => {
    const sessions = [
      new FakeRecipient({ tenantUuid: 'other' }, ['foo']),
      new FakeRecipient({ userUuid: 'u2' }, ['bar']),
      new FakeRecipient({ userUuid: 'u1', acl: [] }, ['bar']),
      new FakeRecipient({ userUuid: 'u1', acl: [] }, ['foo']),
      new FakeRecipient({ userUuid: 'u1' }, ['foo']),
      new FakeRecipient({ master: true }, ['bar']),
    ]
    const { router, metrics } = setUp(sessions)
    router.route(eventOf({ everyone: false, users: ['u1'], requiredAcl: 'x' }))
    expect(metrics.kept).to.deep.equal({ tenant: 1, user: 1, name: 2, acl: 1 })
    expect(metrics).to.include({ events: 1, evaluations: 2 })
  })
})
