import { expect } from 'chai'
import fc from 'fast-check'
import { KINDS, KINDS_OF } from '../../chaos/nemesis/kinds.js'
import { schedule, scheduleOfUpgrades } from '../../chaos/nemesis/schedule.js'

const ALL_KINDS = [...new Set(Object.values(KINDS_OF).flat())]
const seeds = fc.integer({ min: 0, max: 2 ** 32 - 1 })

describe('The schedule of faults', () => {
  it('is the same for the same seed, and another one for another seed', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        expect(schedule(seed, ALL_KINDS, 3)).to.deep.equal(schedule(seed, ALL_KINDS, 3))
        expect(schedule(seed, ALL_KINDS, 3)).to.not.deep.equal(schedule(seed ^ 1, ALL_KINDS, 3))
      }),
    )
  })

  it('begins the same however long it goes on', () => {
    expect(schedule(5, ALL_KINDS, 2)).to.deep.equal(schedule(5, ALL_KINDS, 9).slice(0, 2 * ALL_KINDS.length))
  })

  it('has every kind once in each round, with durations of that kind', () => {
    fc.assert(
      fc.property(seeds, fc.subarray(ALL_KINDS, { minLength: 1 }), (seed, kinds) => {
        const faults = schedule(seed, kinds, 3)
        for (let round = 0; round < 3; round++) {
          const names = faults.slice(round * kinds.length, (round + 1) * kinds.length).map(({ kind }) => kind)
          expect(names.sort()).to.deep.equal([...kinds].sort())
        }
        for (const { kind, lastsMs, aim } of faults) {
          expect(lastsMs).to.be.within(...KINDS[kind].lastsMs)
          expect(aim).to.be.within(0, 1)
        }
      }),
    )
  })
})

describe('The schedule of upgrades', () => {
  it('is the same for the same seed, and has a kill during one of four and none twice in a row', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const faults = scheduleOfUpgrades(seed, 5)
        expect(scheduleOfUpgrades(seed, 5)).to.deep.equal(faults)
        const kinds = faults.map(({ kind }) => kind)
        const upgrades = kinds.filter((kind) => kind !== 'worker-kill')
        for (let round = 0; round < 5; round++) {
          const own = upgrades.slice(4 * round, 4 * round + 4).sort()
          expect(own).to.deep.equal(['edge-upgrade', 'edge-upgrade', 'edge-upgrade', 'edge-upgrade-kill'])
        }
        for (const [i, kind] of kinds.entries())
          if (kind === 'worker-kill') expect(kinds[i - 1]).to.match(/^edge-upgrade/)
      }),
    )
  })
})
