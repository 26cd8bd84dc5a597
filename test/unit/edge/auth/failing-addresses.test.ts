import { FailingAddresses } from '@wazo-websocketd/edge/auth/failing-addresses'
import { parseNetwork } from '@wazo-websocketd/shared/runtime/network'
import { expect } from 'chai'
import { FakeClock } from '../../../support/fakes/clock.js'

function setUp(perMinute: number | null = 7, proxies = ['10.0.0.0/8']) {
  const clock = new FakeClock()
  const slowed: string[] = []
  const addresses = new FailingAddresses({
    perMinute,
    proxies: proxies.map((entry) => parseNetwork(entry)!),
    clock,
    slowed: (address) => slowed.push(address),
  })
  const fail = (address: string, times: number) => {
    for (let i = 0; i < times; i++) addresses.failed(address)
  }
  return { clock, addresses, slowed, fail }
}

describe('addresses whose tokens wazo-auth refuses', () => {
  it('are slowed down beyond the limit, and may fail once more each time that a failure is forgiven', () => {
    const { clock, addresses, slowed, fail } = setUp(6)
    fail('192.0.2.1', 5)
    expect(addresses.isSlowed('192.0.2.1')).to.equal(false)
    fail('192.0.2.1', 1)
    expect([addresses.isSlowed('192.0.2.1'), addresses.isSlowed('192.0.2.2')]).to.deep.equal([true, false])
    clock.advance(9_999)
    expect(addresses.isSlowed('192.0.2.1')).to.equal(true)
    clock.advance(2)
    expect(addresses.isSlowed('192.0.2.1')).to.equal(false)
    fail('192.0.2.1', 1)
    expect(addresses.isSlowed('192.0.2.1')).to.equal(true)
    expect(slowed).to.deep.equal(['192.0.2.1', '192.0.2.1'])
    clock.advance(60_000)
    fail('192.0.2.1', 5)
    expect(addresses.isSlowed('192.0.2.1')).to.equal(false)
  })

  for (const limit of [1, 7, 300, 37.5])
    it(`may fail as often as the limit says: ${limit}`, () => {
      const { addresses, fail } = setUp(limit)
      fail('192.0.2.1', Math.floor(limit) - 1)
      expect(addresses.isSlowed('192.0.2.1')).to.equal(false)
      fail('192.0.2.1', 1)
      expect(addresses.isSlowed('192.0.2.1')).to.equal(true)
    })

  it("are not slowed down where the address may be that of a proxy, or nobody's", () => {
    const { addresses, fail } = setUp()
    for (const address of ['10.1.2.3', '']) {
      fail(address, 100)
      expect(addresses.isSlowed(address)).to.equal(false)
    }
    for (const [limit, proxies] of [
      [7, []],
      [null, ['10.0.0.1']],
    ] as const) {
      const off = setUp(limit, [...proxies])
      off.fail('192.0.2.1', 100)
      expect([off.addresses.isSlowed('192.0.2.1'), off.addresses.size]).to.deep.equal([false, 0])
    }
  })

  const NEIGHBOURS: readonly (readonly [string, string, boolean])[] = [
    ['2001:db8:1:2::1', '2001:db8:1:2:3:4:5:6', true],
    ['2001:db8:1:2::1', '2001:db8:1:3::1', false],
    ['2001:db8::1', '2001:db8::2', true],
    ['2001:db8::1', '2001:db8:0:0:1::', true],
    ['2001:db8::1', '2001:db8:1::1', false],
    ['::1', '::2', true],
    ['::', '1::', false],
    ['192.0.2.1', '192.0.2.2', false],
  ]
  for (const [one, other, same] of NEIGHBOURS)
    it(`${one} and ${other} are ${same ? 'one' : 'two'}`, () => {
      const { addresses, fail } = setUp()
      fail(one, 7)
      expect([addresses.isSlowed(one), addresses.isSlowed(other)]).to.deep.equal([true, same])
    })

  it('are remembered until they are forgiven, and not more than ten thousand', () => {
    const { clock, addresses, fail } = setUp(6)
    for (let i = 0; i < 10_500; i++) addresses.failed(`192.0.${i >> 8}.${i & 255}`)
    expect(addresses.size).to.equal(10_000)
    fail('192.0.2.1', 6)
    clock.advance(59_000)
    fail('198.51.100.1', 1)
    expect(addresses.size).to.equal(2)
    clock.advance(11_000)
    fail('198.51.100.2', 1)
    expect(addresses.size).to.equal(1)
  })
})
