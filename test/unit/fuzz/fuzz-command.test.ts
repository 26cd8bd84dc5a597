import { expect } from 'chai'
import { areas } from '../../fuzz/areas/all.js'
import { readOptions } from '../../fuzz/options.js'
import { refusalBy } from '../refusal.js'

const refusal = (...args: string[]): string => refusalBy(readOptions, args)

describe('npm run fuzz', () => {
  it('has a full run of all areas unless told otherwise', () => {
    const all = ['frames', 'bus', 'auth', 'envelopes', 'config', 'ipc', 'decisions']
    expect([...areas.keys()]).to.deep.equal(all)
    expect(readOptions([])).to.deep.equal({ help: false, seed: null, minutes: null, only: all })
    const some = ['--seed', '7', '--minutes', '0.5', '--only', 'bus,auth,bus']
    expect(readOptions(some)).to.deep.equal({ help: false, seed: 7, minutes: 0.5, only: ['bus', 'auth'] })
    expect(readOptions(['-h']).help).to.equal(true)
  })

  it('says in one line what is wrong with an option', () => {
    expect(refusal('--seed', 'x')).to.equal('--seed needs a whole number from 0 to 4294967295, not "x"')
    expect(refusal('--seed', '4294967296')).to.contain('--seed needs')
    for (const minutes of ['0', '-1', 'x', '', '1441', '1e3'])
      expect(refusal(`--minutes=${minutes}`)).to.contain('--minutes needs a number')
    expect(refusal('--only', 'bus,moon')).to.contain('"moon"').and.to.contain('frames')
    for (const only of ['', 'toString']) expect(refusal('--only', only)).to.contain('--only knows no area')
    expect(refusal('--unknown')).to.contain('--unknown')
    expect(refusal('7')).to.contain('7')
  })
})
