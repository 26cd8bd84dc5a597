import { SubscriptionIndex } from '@wazo-websocketd/edge/route/subscription-index'
import { expect } from 'chai'
import fc from 'fast-check'
import { parseTokenId } from '@wazo-websocketd/shared/domain/identity'
import { FakeRecipient, identityOf } from '../../../support/fakes/recipients.js'

/** Everything that the index still holds. */
function leftovers(index: SubscriptionIndex): number {
  const { masters, classes } = index
  const groups = [...index.allTenants()]
  return (
    index.size +
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

describe('SubscriptionIndex', () => {
  it('has one list for equal ACLs, for as long as a session with it is registered', () => {
    const index = new SubscriptionIndex()
    const details = { ...identityOf({}), token: parseTokenId('token')!, expiresAt: 1 }
    const shared = (acl: string[]) => index.intern({ ...details, acl }).acl
    const first = shared(['a', 'b'])
    const recipient = new FakeRecipient({ acl: first }, [])
    index.add(recipient)
    expect(shared(['a', 'b'])).to.equal(first)
    expect(shared(['a', 'c'])).to.deep.equal(['a', 'c'])
    expect(index.intern(details)).to.deep.equal(details)
    index.remove(recipient)
    expect(shared(['a', 'b'])).not.to.equal(first)
    expect(index.classes.size).to.equal(0)
  })

  it('holds nothing once the last session is gone, in any order', () => {
    fc.assert(
      fc.property(fc.array(session, { maxLength: 20 }), fc.infiniteStream(fc.nat()), (drawn, order) => {
        const index = new SubscriptionIndex()
        const sessions = drawn.map((s) => new FakeRecipient(s, s.names))
        for (const s of sessions) index.add(s)
        expect(index.size).to.equal(sessions.length)
        for (const s of sessions) {
          const [turn] = order.take(1)
          if (turn! % 2 === 0) index.subscriptionChanged(s, 'later')
          if (turn! % 3 === 0) {
            s.identity = { ...s.identity, userUuid: 'u9', acl: ['c'] }
            index.identityReplaced(s)
          }
        }
        while (sessions.length > 0) {
          const [turn] = order.take(1)
          const [gone] = sessions.splice(turn! % sessions.length, 1)
          index.remove(gone!)
          index.remove(gone!)
          expect(index.size).to.equal(sessions.length)
        }
        expect(leftovers(index)).to.equal(0)
      }),
    )
  })

  it('drops a user, a name and a tenant with its last session', () => {
    const index = new SubscriptionIndex()
    const first = new FakeRecipient({ userUuid: 'u1' }, ['foo'])
    const second = new FakeRecipient({ userUuid: 'u2' }, ['bar'])
    index.add(first)
    index.add(second)
    const group = index.tenantOf('tenant')!
    index.remove(first)
    expect([...group.byUser.keys()]).to.deep.equal(['u2'])
    expect([...group.byName.keys()]).to.deep.equal(['bar'])
    index.remove(second)
    expect(group.byUser.size + group.byName.size).to.equal(0)
    expect(index.tenantOf('tenant')).to.equal(undefined)
  })

  it('indexes a recipient once, however often it is added', () => {
    const index = new SubscriptionIndex()
    const recipient = new FakeRecipient({}, ['foo'])
    index.add(recipient)
    index.add(recipient)
    expect(index.size).to.equal(1)
    expect(index.tenantOf('tenant')!.subscribersOf('foo')).to.equal(1)
    index.remove(recipient)
    expect(leftovers(index)).to.equal(0)
  })

  it('shares one ACL class among equal lists and keeps different ones apart', () => {
    const index = new SubscriptionIndex()
    const sessions = [['a', 'b'], ['a', 'b'], ['b', 'a'], ['a'], [], ['xbz'], ['ybz']].map(
      (acl) => new FakeRecipient({ acl }, []),
    )
    for (const s of sessions) index.add(s)
    expect(index.classes.size).to.equal(6)
    expect(index.classes.find(['a', 'b'])).to.equal(index.classes.find(sessions[0]!.identity.acl))
    index.remove(sessions[0]!)
    expect(index.classes.size).to.equal(6)
    index.remove(sessions[1]!)
    index.remove(sessions[6]!)
    expect(index.classes.size).to.equal(4)
    expect(index.classes.find(['xbz']).sessions).to.equal(1)
    const again = new FakeRecipient({ acl: ['a', 'b'] }, [])
    index.add(again)
    index.add(sessions[0]!)
    expect(index.classes.size).to.equal(5)
    expect(index.classes.find(again.identity.acl)).to.equal(index.classes.find(sessions[0]!.identity.acl))
  })

  const NAMES = Array.from({ length: 300 }, (_, i) => `event ${i}`)
  const SESSIONS = 20

  /** Sessions with the same names; `looks` counts how often one of the lists that they lie in is looked up or moved. */
  function crowd(names: (at: number) => string[]) {
    const index = new SubscriptionIndex()
    const counted = { index, looks: 0, sessions: [] as FakeRecipient[] }
    const count = <T extends object>(array: T): T =>
      new Proxy(array, {
        get(target, key, receiver) {
          if (typeof key === 'string' && /^\d+$/.test(key)) counted.looks++
          return Reflect.get(target, key, receiver) as unknown
        },
        set(target, key, value, receiver) {
          counted.looks++
          return Reflect.set(target, key, value, receiver)
        },
      })
    for (let i = 0; i < SESSIONS; i++) {
      const session = new FakeRecipient({ userUuid: `u${i}` }, names(i))
      index.add(session)
      const entry = session.entry!
      entry.lists = count(entry.lists)
      entry.indexes = count(entry.indexes)
      counted.sessions.push(session)
    }
    return counted
  }

  const ORDERS: readonly (readonly [string, (at: number) => string[]])[] = [
    ['in one order', () => NAMES],
    ['in opposite orders', (at) => (at % 2 === 0 ? NAMES : [...NAMES].reverse())],
  ]
  for (const [what, names] of ORDERS)
    it(`takes sessions out at the same cost for each name, however many have it: ${what}`, () => {
      const counted = crowd(names)
      for (const session of counted.sessions) counted.index.remove(session)
      expect(counted.looks).to.be.at.most(3 * SESSIONS * (NAMES.length + 1))
      expect(leftovers(counted.index)).to.equal(0)
    })

  it('renews the rights of sessions at the same cost, however many names they have', () => {
    const counted = crowd(() => NAMES)
    const { index, sessions } = counted
    for (const session of sessions) {
      session.identity = { ...session.identity, acl: ['later'], sessionUuid: 'another' }
      index.identityReplaced(session)
      expect(session.entry!.identity).to.equal(session.identity)
      expect(session.entry!.aclClass).to.equal(index.classes.find(['later']))
    }
    expect(counted.looks).to.equal(0)
    expect([index.classes.size, index.size]).to.deep.equal([1, SESSIONS])
    for (const session of sessions) index.remove(session)
    expect(leftovers(index)).to.equal(0)
  })
})
