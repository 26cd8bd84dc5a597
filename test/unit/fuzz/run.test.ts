import { setImmediate as turn } from 'node:timers/promises'
import { expect } from 'chai'
import fc from 'fast-check'
import { Tally, type Area } from '../../fuzz/area.js'
import { Heap } from '../../fuzz/heap.js'
import { runArea, type Outcome } from '../../fuzz/run.js'

/** An area of small numbers, with this to take them. */
function areaOf(take: (input: number) => number, settle?: () => void): Area<number> {
  return {
    ...{ name: 'numbers', unit: 'numbers', total: 1_000, inputs: fc.nat(1_000) },
    open: () => Promise.resolve({ take, outcomes: new Tally(), ...(settle && { settle }) }),
  }
}

function run(area: Area<number>, units = 500): Promise<Outcome> {
  return runArea(area, { seed: 7, units, ms: 60_000 })
}

describe('the run of an area', () => {
  it('ends after so many units, or after its time', async () => {
    expect(await run(areaOf(() => 1))).to.include({ units: 500, violation: null })
    const { units, violation } = await runArea(
      areaOf(() => 1),
      { seed: 7, units: Infinity, ms: 1 },
    )
    expect([units > 0, violation]).to.deep.equal([true, null])
  })

  it('gives the same inputs for the same seed', async () => {
    const runs: number[][] = [[], []]
    for (const inputs of runs)
      await run(
        areaOf((n) => inputs.push(n) && 1),
        200,
      )
    expect(runs[0]).to.deep.equal(runs[1])
    expect(new Set(runs[0]).size).to.be.above(20)
  })

  it('tells a violation with the smallest input that shows it', async () => {
    const { violation } = await run(
      areaOf((n) => {
        if (n >= 17) throw new Error('too large')
        return 1
      }),
    )
    expect(violation)
      .to.match(/^too large\n/)
      .and.to.contain('Counterexample: [17]')
      .and.to.contain('seed: 7')
  })

  it('finds what nobody catches', async () => {
    const area = areaOf(() => 1)
    const rejecting: Area<number> = {
      ...area,
      open: () =>
        Promise.resolve({
          outcomes: new Tally(),
          take: async () => {
            process.emit('unhandledRejection', new Error('lost'), Promise.resolve())
            await turn()
            return 1
          },
        }),
    }
    const mochas = process.listeners('unhandledRejection')
    process.removeAllListeners('unhandledRejection')
    try {
      expect((await run(rejecting)).violation).to.match(/nobody caught: Error: lost/)
    } finally {
      for (const listener of mochas) process.on('unhandledRejection', listener)
    }
    expect(process.listenerCount('unhandledRejection')).to.equal(mochas.length)
  })

  it('finds what inputs leave behind', async () => {
    const leaving = areaOf(
      () => 1,
      () => {
        throw new Error('two connections are left')
      },
    )
    expect((await run(leaving)).violation).to.equal('two connections are left')
    const kept: Uint8Array[] = []
    const growing = areaOf(() => kept.push(new Uint8Array(100_000)) && 1)
    expect((await run(growing)).violation).to.match(/memory in use grows by (?:9|1\d)\d{4} bytes per unit/)
  })

  it('tells nothing of memory from few samples', () => {
    const heap = new Heap()
    expect([heap.slope, heap.growth, heap.isFlat]).to.deep.equal([0, 0, true])
    heap.sample(0)
    expect([heap.slope, heap.growth, heap.isFlat]).to.deep.equal([0, 0, true])
  })
})
