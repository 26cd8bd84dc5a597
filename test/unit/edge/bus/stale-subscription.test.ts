import { StaleSubscription } from '@wazo-websocketd/edge/bus/stale-subscription'
import { expect } from 'chai'

describe('a stale subscription', () => {
  it('is suspected after 3 s of silence, and again after 3 more', () => {
    const stale = new StaleSubscription(0)
    expect([stale.suspicionDue(2_999), stale.suspicionDue(3_000), stale.suspicionDue(5_999)]).to.deep.equal([
      null,
      'silence',
      null,
    ])
    expect(stale.suspicionDue(6_000)).to.equal('silence')
    stale.messageReceived(7_000)
    expect(stale.suspicionDue(9_999)).to.equal(null)
  })

  it('is suspected when a head stays above the cursor for 1 s', () => {
    const stale = new StaleSubscription(0)
    stale.headReported(true, 100)
    stale.headReported(true, 900)
    expect([stale.suspicionDue(1_099), stale.suspicionDue(1_100)]).to.deep.equal([null, 'head'])
    stale.forgetHead()
    expect(stale.suspicionDue(1_200)).to.equal(null)
    for (const stop of [() => stale.headReported(false, 1_500), () => stale.forgetHead()]) {
      stale.headReported(true, 1_300)
      stop()
      expect(stale.suspicionDue(2_400)).to.equal(null)
    }
  })

  it('is proven by events that a silence hid', () => {
    const stale = new StaleSubscription(0)
    stale.suspicionDue(3_000)
    expect(stale.recovered(5, 6, true)).to.equal(true)
  })

  it('is proven when twice running something was found without a message in between', () => {
    const stale = new StaleSubscription(0)
    const read = (now: number, reached: number): boolean => {
      stale.headReported(true, now - 1_000)
      expect(stale.suspicionDue(now)).to.equal('head')
      stale.forgetHead()
      return stale.recovered(reached - 1, reached, true)
    }
    expect([read(1_000, 1), read(2_000, 2), read(2_900, 3), read(2_950, 4)]).to.deep.equal([
      false,
      true,
      false,
      true,
    ])
    expect(read(2_960, 5)).to.equal(false)
    stale.messageReceived(2_970)
    expect(read(2_980, 6)).to.equal(false)
  })

  it('is not proven by a read that finds nothing, nor by a recovery for another reason', () => {
    const stale = new StaleSubscription(0)
    for (let now = 3_000; now < 30_000; now += 3_000) {
      stale.suspicionDue(now)
      expect(stale.recovered(5, 5, false)).to.equal(false)
    }
    for (let offset = 5; offset < 10; offset++) {
      expect(stale.recovered(offset, offset + 1, true)).to.equal(false)
    }
  })
})
