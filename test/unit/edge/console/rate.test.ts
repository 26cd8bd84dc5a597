import { expect } from 'chai'

interface Counter {
  readonly seconds: readonly number[]
  readonly mean: number
  add(): void
  tick(): void
}

const { RATE_SECONDS, Rate } = (await import(
  new URL('../../../../packages/edge/console/rate.js', import.meta.url).href
)) as { RATE_SECONDS: number; Rate: new () => Counter }

describe("The console's rate", () => {
  it('is the count of each of the last seconds, and the mean of five', () => {
    const rate = new Rate()
    for (const count of [10, 0, 5]) {
      for (let i = 0; i < count; i++) rate.add()
      rate.tick()
    }
    rate.add()
    expect(rate.seconds).to.have.length(RATE_SECONDS)
    expect([rate.seconds.slice(-3), rate.mean]).to.deep.equal([[10, 0, 5], 3])
    for (let i = 0; i <= RATE_SECONDS; i++) rate.tick()
    expect([Math.max(...rate.seconds), rate.mean]).to.deep.equal([0, 0])
  })
})
