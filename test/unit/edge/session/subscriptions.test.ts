import { SubscriptionSet } from '@wazo-websocketd/edge/session/subscriptions'
import { expect } from 'chai'
import * as fc from 'fast-check'

describe('SubscriptionSet', () => {
  it('are a set, in the order in which they came, however many there are', () => {
    const name = fc.oneof(fc.constantFrom('__proto__', '*', 'foo'), fc.string({ maxLength: 2 }))
    fc.assert(
      fc.property(fc.array(name, { maxLength: 40 }), (added) => {
        const names = new SubscriptionSet()
        const set = new Set<string>()
        for (const each of added) {
          expect(names.has(each)).to.equal(set.has(each))
          names.add(each)
          set.add(each)
          expect([...names]).to.deep.equal([...set])
          expect(names.size).to.equal(set.size)
        }
        expect(names.has('never')).to.equal(false)
      }),
    )
  })

  it('of two sessions have nothing to do with each other', () => {
    const [one, other] = [new SubscriptionSet(), new SubscriptionSet()]
    one.add('foo')
    expect([...other]).to.deep.equal([])
  })
})
