import { expect } from 'chai'

interface Work {
  readonly skipped: number
  run(work: () => void): boolean
  reset(): void
}

const { Sampler } = (await import(
  new URL('../../../../packages/edge/console/sampler.js', import.meta.url).href
)) as { Sampler: new (now: () => number) => Work }

describe("The console's sampler", () => {
  let time: number
  let sampler: Work
  const work = (ms: number) => sampler.run(() => (time += ms))

  beforeEach(() => {
    time = 1000
    sampler = new Sampler(() => time)
  })

  it('does everything while there is time for it', () => {
    for (let i = 0; i < 1000; i++) {
      expect(work(0.4)).to.equal(true)
      time += 0.6
    }
    expect(sampler.skipped).to.equal(0)
  })

  it('works half of the time at most, and counts what it leaves out', () => {
    let did = 0
    for (let i = 0; i < 1000; i++)
      if (work(10)) did++
      else time += 1
    const elapsed = time - 1000
    expect(did * 10).to.be.within(elapsed * 0.45, elapsed * 0.55)
    expect(sampler.skipped).to.equal(1000 - did)
    sampler.reset()
    expect(sampler.skipped).to.equal(0)
  })

  it('goes on with the next tenth of a second', () => {
    work(50)
    expect(work(1)).to.equal(false)
    time = 1100
    expect(work(1)).to.equal(true)
  })
})
