import { TokenBucket } from '@wazo-websocketd/edge/session/token-bucket'
import { expect } from 'chai'
import * as fc from 'fast-check'

const limits = (opsPerSecond: number, opsBurst: number) => ({
  opsPerSecond,
  opsBurst,
  subscriptionsPerSession: 1,
  eventNameBytes: 1,
})

describe('TokenBucket', () => {
  it('gives a full burst at any moment, then one token for each interval', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 1e10, noNaN: true }),
        fc.integer({ min: 1, max: 400 }),
        fc.integer({ min: 1, max: 1_000 }),
        (now, burst, rate) => {
          const bucket = new TokenBucket(limits(rate, burst), now)
          for (let n = 0; n < burst; n++) expect(bucket.take(now)).to.equal(0)
          const wait = bucket.take(now)
          expect(wait).to.be.within(1, Math.ceil(1_000 / rate) + 1)
          expect(bucket.take(now + wait)).to.equal(0)
        },
      ),
    )
  })

  it('is never fuller than full, and takes nothing when an op has to wait', () => {
    const bucket = new TokenBucket(limits(10, 2), 0)
    const late = 60_000
    expect([1, 2, 3, 4].map(() => bucket.take(late))).to.deep.equal([0, 0, 100, 100])
    expect([bucket.take(late + 99), bucket.take(late + 100)]).to.deep.equal([1, 0])
  })
})
