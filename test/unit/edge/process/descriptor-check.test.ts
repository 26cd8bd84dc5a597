import { expect } from 'chai'
import { DescriptorCheck } from '@wazo-websocketd/edge/process/descriptor-check'
import { FakeClock } from '../../../support/fakes/clock.js'

const failing = (code: string) => () => {
  throw Object.assign(new Error(code), { code })
}

describe('DescriptorCheck', () => {
  it('tells when there is no file descriptor left, and when there is one again, once each', () => {
    const clock = new FakeClock()
    const told: boolean[] = []
    let probe: () => void = () => undefined
    const check = new DescriptorCheck({
      clock,
      changed: (exhausted) => told.push(exhausted),
      probe: () => probe(),
    })
    check.start()
    clock.advance(3_000)
    expect(told).to.deep.equal([])
    for (const code of ['EMFILE', 'ENFILE']) {
      probe = failing(code)
      clock.advance(3_000)
      expect(check.exhausted).to.equal(true)
      probe = () => undefined
      clock.advance(3_000)
      expect(check.exhausted).to.equal(false)
    }
    expect(told).to.deep.equal([true, false, true, false])
    check.stop()
    expect(clock.pending).to.equal(0)
  })

  it('takes no other error for that', () => {
    const told: boolean[] = []
    const check = new DescriptorCheck({
      clock: new FakeClock(),
      changed: (exhausted) => told.push(exhausted),
      probe: failing('EACCES'),
    })
    check.start()
    expect(told).to.deep.equal([])
  })

  it('finds a descriptor in this process', () => {
    const check = new DescriptorCheck({ clock: new FakeClock(), changed: () => undefined })
    check.start()
    expect(check.exhausted).to.equal(false)
  })
})
