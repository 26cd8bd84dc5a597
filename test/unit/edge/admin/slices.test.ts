import { inSlices } from '@wazo-websocketd/edge/admin/slices'
import { systemClock } from '@wazo-websocketd/shared/runtime/clock'
import { expect } from 'chai'

async function run<T>(items: Iterable<T>, work: (item: T) => void): Promise<number> {
  let slices = 0
  const each = inSlices(items, systemClock, work)
  while (!(await each.next()).done) slices++
  return slices
}

describe('work in slices', () => {
  it('does all of it, in order', async () => {
    const done: number[] = []
    const items = Array.from({ length: 1_000 }, (_, i) => i)
    await run(items, (item) => void done.push(item))
    expect(done).to.deep.equal(items)
  })

  it('lets the loop turn every few milliseconds, however slow an item is', async () => {
    let turns = 0
    const turning = setInterval(() => turns++, 1)
    // 200 items of half a millisecond: 100 ms of work.
    const slices = await run(Array.from({ length: 200 }), () => {
      const until = performance.now() + 0.5
      while (performance.now() < until);
    })
    clearInterval(turning)
    expect(slices).to.be.at.least(10)
    expect(turns).to.be.at.least(5)
  })

  it('ends a slice after some hundred items that cost nothing', async () => {
    expect(await run(Array.from({ length: 1_000 }), () => undefined)).to.be.within(4, 20)
  })

  it('has nothing to do with no items', async () => {
    expect(await run([], () => expect.fail())).to.equal(0)
  })
})
