import { expect } from 'chai'
import { areas } from '../fuzz/areas/all.js'
import { runArea } from '../fuzz/run.js'

const SEED = 17
/** Together some 5 to 10 s on a machine that does nothing else. */
const UNITS: ReadonlyMap<string, number> = new Map([
  ['frames', 4_000],
  ['bus', 1_000],
  ['auth', 300],
  ['envelopes', 1_000],
  ['config', 100],
  ['ipc', 1_000],
  ['decisions', 40_000],
])

describe('a short run of npm run fuzz', function () {
  this.timeout(120_000)

  for (const [name, area] of areas)
    it(`finds nothing with ${UNITS.get(name)} ${area.unit}`, async () => {
      const units = UNITS.get(name)!
      const outcome = await runArea(area, { seed: SEED, units, ms: Infinity })
      expect(outcome.violation).to.equal(null)
      expect(outcome.units).to.be.at.least(units)
    })
})
