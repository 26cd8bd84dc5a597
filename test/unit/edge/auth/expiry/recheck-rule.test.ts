import { dynamicRule, staticRule } from '@wazo-websocketd/edge/auth/expiry/recheck-rule'
import { expect } from 'chai'
import * as fc from 'fast-check'

describe('re-check rule', () => {
  const cases: [left: number, next: number][] = [
    [-5, 0],
    [0, 0],
    [14.9, 14.9],
    [15, 15],
    [59, 59],
    [61, 60],
    [80, 60],
    [81, 60.75],
    [57_600, 43_200],
    [57_601, 43_200],
    [1_000_000, 43_200],
  ]
  for (const [left, next] of cases) {
    it(`checks after ${next} s when ${left} s are left`, () => {
      expect(dynamicRule(left * 1_000)).to.be.closeTo(next * 1_000, 1e-6)
    })
  }

  it('checks at a fixed interval when told to, the last time at the expiry', () => {
    const rule = staticRule(60_000)
    expect([rule(100_000), rule(60_000), rule(3_000), rule(-1)]).to.deep.equal([60_000, 60_000, 3_000, 0])
  })

  it('never waits beyond the expiry', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e9, noNaN: true }), fc.nat(1e6), (left, interval) => {
        expect(dynamicRule(left)).to.be.within(0, left)
        expect(staticRule(interval)(left)).to.be.within(0, left)
      }),
    )
  })
})
