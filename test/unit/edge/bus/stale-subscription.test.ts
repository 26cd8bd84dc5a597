import { StaleSubscription } from '@wazo-websocketd/edge/bus/stale-subscription'
import { expect } from 'chai'

describe('deafness of a subscription', () => {
  it('is suspected after 3 s of silence, and again after 3 more', () => {
    const deafness = new StaleSubscription(0)
    expect([
      deafness.suspicionDue(2_999),
      deafness.suspicionDue(3_000),
      deafness.suspicionDue(5_999),
    ]).to.deep.equal([null, 'silence', null])
    expect(deafness.suspicionDue(6_000)).to.equal('silence')
    deafness.messageReceived(7_000)
    expect(deafness.suspicionDue(9_999)).to.equal(null)
  })

  it('is suspected when a head stays above the cursor for 1 s', () => {
    const deafness = new StaleSubscription(0)
    deafness.headReported(true, 100)
    deafness.headReported(true, 900)
    expect([deafness.suspicionDue(1_099), deafness.suspicionDue(1_100)]).to.deep.equal([null, 'head'])
    deafness.reads(5)
    expect(deafness.suspicionDue(1_200)).to.equal(null)
    for (const stop of [() => deafness.headReported(false, 1_500), () => deafness.cursorMoved()]) {
      deafness.headReported(true, 1_300)
      stop()
      expect(deafness.suspicionDue(2_400)).to.equal(null)
    }
  })

  it('is proven by events that a silence hid', () => {
    const deafness = new StaleSubscription(0)
    deafness.suspicionDue(3_000)
    deafness.reads(5)
    expect(deafness.recovered(6, true)).to.equal(true)
  })

  it('is proven when twice running something was found without a word in between', () => {
    const deafness = new StaleSubscription(0)
    const look = (now: number, reached: number): boolean => {
      deafness.headReported(true, now - 1_000)
      expect(deafness.suspicionDue(now)).to.equal('head')
      deafness.reads(reached - 1)
      return deafness.recovered(reached, true)
    }
    expect([look(1_000, 1), look(2_000, 2), look(2_900, 3), look(2_950, 4)]).to.deep.equal([
      false,
      true,
      false,
      true,
    ])
    expect(look(2_960, 5)).to.equal(false)
    deafness.messageReceived(2_970)
    expect(look(2_980, 6)).to.equal(false)
  })

  it('is not proven by a look that finds nothing, nor by a recovery for another reason', () => {
    const deafness = new StaleSubscription(0)
    for (let now = 3_000; now < 30_000; now += 3_000) {
      deafness.suspicionDue(now)
      deafness.reads(5)
      expect(deafness.recovered(5, false)).to.equal(false)
    }
    for (let offset = 5; offset < 10; offset++) {
      deafness.reads(offset)
      expect(deafness.recovered(offset + 1, true)).to.equal(false)
    }
  })
})
