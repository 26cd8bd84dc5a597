import { bounded } from '@wazo-websocketd/edge/ctl/doctor/bounded'
import { error, ok } from '@wazo-websocketd/edge/ctl/finding'
import { expect } from 'chai'
import { FakeClock } from '../../../../support/fakes/clock.js'

describe('a check of doctor', () => {
  it('finds what it finds', async () => {
    const check = { name: 'x', run: () => Promise.resolve([ok('x', 'fine')]) }
    expect(await bounded(check, 10, new FakeClock())).to.deep.equal([ok('x', 'fine')])
  })

  it('that fails or hangs is an error of its name', async () => {
    const clock = new FakeClock()
    const fails = { name: 'x', run: () => Promise.reject(new Error('broken')) }
    expect(await bounded(fails, 10, clock)).to.deep.equal([error('x', 'broken')])
    const hangs = bounded({ name: 'y', run: () => new Promise(() => undefined) }, 2_000, clock)
    clock.advance(2_000)
    expect(await hangs).to.deep.equal([error('y', 'no answer to this check in 2 s')])
  })
})
