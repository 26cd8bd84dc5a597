import { SubscriptionIndex } from '@wazo-websocketd/edge/route/subscription-index'
import { expect } from 'chai'
import fc from 'fast-check'
import { parseTokenId } from '@wazo-websocketd/shared/domain/identity'
import { FakeRecipient, identityOf } from '../../../support/fakes/recipients.js'

/** Everything that the registry still holds. */
function leftovers(registry: SubscriptionIndex): number {
  const { masters, classes } = registry
  const groups = [...registry.allTenants()]
  return (
    registry.size +
    masters.size +
    masters.byName.size +
    masters.byUser.size +
    masters.admins.size +
    classes.size +
    groups.length
  )
}

const session = fc.record({
  userUuid: fc.constantFrom('u1', 'u2'),
  tenantUuid: fc.constantFrom('t1', 't2'),
  admin: fc.boolean(),
  master: fc.boolean(),
  acl: fc.array(fc.constantFrom('a', 'b', '#'), { maxLength: 2 }),
  names: fc.uniqueArray(fc.constantFrom('foo', 'bar', '*'), { maxLength: 3 }),
})

describe('registry', () => {
  it('has one list for equal ACLs, for as long as a session with it is registered', () => {
    const registry = new SubscriptionIndex()
    const details = { ...identityOf({}), token: parseTokenId('token')!, expiresAt: 1 }
    const shared = (acl: string[]) => registry.intern({ ...details, acl }).acl
    const first = shared(['a', 'b'])
    const recipient = new FakeRecipient({ acl: first }, [])
    registry.add(recipient)
    expect(shared(['a', 'b'])).to.equal(first)
    expect(shared(['a', 'c'])).to.deep.equal(['a', 'c'])
    expect(registry.intern(details)).to.deep.equal(details)
    registry.remove(recipient)
    expect(shared(['a', 'b'])).not.to.equal(first)
    expect(registry.classes.size).to.equal(0)
  })

  it('holds nothing once the last session is gone, in whatever order they went', () => {
    fc.assert(
      fc.property(fc.array(session, { maxLength: 20 }), fc.infiniteStream(fc.nat()), (drawn, order) => {
        const registry = new SubscriptionIndex()
        const sessions = drawn.map((s) => new FakeRecipient(s, s.names))
        for (const s of sessions) registry.add(s)
        expect(registry.size).to.equal(sessions.length)
        for (const s of sessions) {
          const [turn] = order.take(1)
          if (turn! % 2 === 0) registry.subscriptionChanged(s, 'later')
          if (turn! % 3 === 0) {
            s.identity = { ...s.identity, userUuid: 'u9', acl: ['c'] }
            registry.identityReplaced(s)
          }
        }
        while (sessions.length > 0) {
          const [turn] = order.take(1)
          const [gone] = sessions.splice(turn! % sessions.length, 1)
          registry.remove(gone!)
          registry.remove(gone!)
          expect(registry.size).to.equal(sessions.length)
        }
        expect(leftovers(registry)).to.equal(0)
      }),
    )
  })

  it('drops a user, a name and a tenant with its last session', () => {
    const registry = new SubscriptionIndex()
    const first = new FakeRecipient({ userUuid: 'u1' }, ['foo'])
    const second = new FakeRecipient({ userUuid: 'u2' }, ['bar'])
    registry.add(first)
    registry.add(second)
    const group = registry.tenantOf('tenant')!
    registry.remove(first)
    expect([...group.byUser.keys()]).to.deep.equal(['u2'])
    expect([...group.byName.keys()]).to.deep.equal(['bar'])
    registry.remove(second)
    expect(group.byUser.size + group.byName.size).to.equal(0)
    expect(registry.tenantOf('tenant')).to.equal(undefined)
  })

  it('indexes a recipient once, however often it is added', () => {
    const registry = new SubscriptionIndex()
    const recipient = new FakeRecipient({}, ['foo'])
    registry.add(recipient)
    registry.add(recipient)
    expect(registry.size).to.equal(1)
    expect(registry.tenantOf('tenant')!.subscribersOf('foo')).to.equal(1)
    registry.remove(recipient)
    expect(leftovers(registry)).to.equal(0)
  })

  it('shares one ACL class among equal lists and keeps different ones apart', () => {
    const registry = new SubscriptionIndex()
    const sessions = [['a', 'b'], ['a', 'b'], ['b', 'a'], ['a'], [], ['xbz'], ['ybz']].map(
      (acl) => new FakeRecipient({ acl }, []),
    )
    for (const s of sessions) registry.add(s)
    expect(registry.classes.size).to.equal(6)
    expect(registry.classes.find(['a', 'b'])).to.equal(registry.classes.find(sessions[0]!.identity.acl))
    registry.remove(sessions[0]!)
    expect(registry.classes.size).to.equal(6)
    registry.remove(sessions[1]!)
    registry.remove(sessions[6]!)
    expect(registry.classes.size).to.equal(4)
    expect(registry.classes.find(['xbz']).sessions).to.equal(1)
    const again = new FakeRecipient({ acl: ['a', 'b'] }, [])
    registry.add(again)
    registry.add(sessions[0]!)
    expect(registry.classes.size).to.equal(5)
    expect(registry.classes.find(again.identity.acl)).to.equal(
      registry.classes.find(sessions[0]!.identity.acl),
    )
  })
})
