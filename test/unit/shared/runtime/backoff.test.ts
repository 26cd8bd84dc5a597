import { Backoff } from '@wazo-websocketd/shared/runtime/backoff'
import { expect } from 'chai'
import fc from 'fast-check'

describe('the backoff', () => {
  it('doubles up to its cap, as the renewal of the service token needs it', () => {
    const backoff = new Backoff({ firstMs: 1000, maxMs: 32_000, jitter: 0 })
    expect(Array.from({ length: 8 }, () => backoff.next() / 1000)).to.deep.equal([1, 2, 4, 8, 16, 32, 32, 32])
  })

  it('begins anew after a reset', () => {
    const backoff = new Backoff({ firstMs: 100, maxMs: 1000, jitter: 0 })
    backoff.next()
    backoff.next()
    backoff.reset()
    expect(backoff.next()).to.equal(100)
  })

  it('grows by another factor', () => {
    const backoff = new Backoff({ firstMs: 1, maxMs: 100, factor: 3, jitter: 0 })
    expect([backoff.next(), backoff.next(), backoff.next()]).to.deep.equal([1, 3, 9])
  })

  it('takes at most the share of jitter away', () => {
    expect(new Backoff({ firstMs: 100, maxMs: 100, random: () => 0 }).next()).to.equal(100)
    expect(new Backoff({ firstMs: 100, maxMs: 100, jitter: 0.5, random: () => 0.5 }).next()).to.equal(75)
  })

  it('stays between nothing and its cap whatever its numbers', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1e6 }),
        fc.integer({ min: 1, max: 1e6 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (firstMs, maxMs, jitter) => {
          const backoff = new Backoff({ firstMs, maxMs, jitter })
          for (let i = 0; i < 30; i++) expect(backoff.next()).to.be.within(0, maxMs)
        },
      ),
      { numRuns: 50 },
    )
  })
})
