import { expect } from 'chai'
import { ConnectRate } from '@wazo-websocketd/edge/socket/connect-rate'
import { FakeClock } from '../../../support/fakes/clock.js'

/** How many of so many connections are admitted. */
const admitted = (rate: ConnectRate, count: number, address = '192.0.2.1') =>
  Array.from({ length: count }, () => rate.admits(address)).filter(Boolean).length

describe('ConnectRate', () => {
  it('admits a burst of five seconds, then the rate', () => {
    const clock = new FakeClock()
    const rate = new ConnectRate({ perSecond: 10, clock })
    expect(admitted(rate, 100)).to.equal(50)
    clock.advance(1_000)
    expect(admitted(rate, 100)).to.equal(10)
    clock.advance(60_000)
    expect(admitted(rate, 100)).to.equal(50)
  })

  it('counts each address, and each network of 64 bits, for itself', () => {
    const rate = new ConnectRate({ perSecond: 1, clock: new FakeClock() })
    for (const address of ['192.0.2.1', '192.0.2.2', '2001:db8::1', '2001:db8:0:1::1'])
      expect(admitted(rate, 10, address), address).to.equal(5)
    expect(admitted(rate, 10, '2001:db8::2')).to.equal(0)
  })

  it('has no limit unless one is given', () => {
    expect(admitted(new ConnectRate({ perSecond: null, clock: new FakeClock() }), 1_000)).to.equal(1_000)
  })

  it('remembers a bounded number of addresses', () => {
    const clock = new FakeClock()
    const rate = new ConnectRate({ perSecond: 1, clock })
    for (let n = 0; n < 20_000; n++) rate.admits(`10.0.${n >> 8}.${n & 255}`)
    expect(admitted(rate, 10, `10.0.${19_999 >> 8}.${19_999 & 255}`), 'remembered').to.equal(4)
    expect(admitted(rate, 10, '10.0.0.0'), 'forgotten').to.equal(5)
  })
})
