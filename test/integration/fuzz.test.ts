import { expect } from 'chai'
import { areas } from '../fuzz/areas/all.js'
import { runArea } from '../fuzz/run.js'

const SEED = 17
/** Together some 5 to 10 s on a machine that does nothing else. */
const UNITS: ReadonlyMap<string, number> = new Map([
  ['frames', 8_000],
  ['bus', 2_500],
  ['auth', 500],
  ['envelopes', 2_500],
  ['config', 100],
  ['ipc', 2_500],
  ['decisions', 80_000],
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
