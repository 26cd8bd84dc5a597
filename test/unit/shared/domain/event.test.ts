import { partitionOf } from '@wazo-websocketd/shared/domain/event'
import { expect } from 'chai'

describe('event: the partition of a tenant', () => {
  const tenants = Array.from(
    { length: 2_000 },
    (_, i) => `2c34c282-433e-4bb8-8d56-${i.toString(16).padStart(12, '0')}`,
  )

  it('is 0 without a tenant, and with one partition', () => {
    expect(partitionOf(null, 8)).to.equal(0)
    for (const tenant of tenants) expect(partitionOf(tenant, 1)).to.equal(0)
  })

  it('is FNV-1a, so that every release and every program agrees', () => {
    expect(partitionOf('', 2 ** 32)).to.equal(0x811c9dc5)
    expect(partitionOf('a', 2 ** 32)).to.equal(0xe40c292c)
    expect(partitionOf('foobar', 2 ** 32)).to.equal(0xbf9cf968)
  })

  it('spreads tenants evenly enough', () => {
    const counts = new Array<number>(8).fill(0)
    for (const tenant of tenants) {
      const partition = partitionOf(tenant, 8)
      expect(partition).to.be.within(0, 7)
      counts[partition]!++
    }
    for (const count of counts) expect(count).to.be.within(150, 350)
  })
})
