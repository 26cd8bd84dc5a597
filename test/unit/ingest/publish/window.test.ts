import { expect } from 'chai'
import { EVERY_PARTITION } from '@wazo-websocketd/ingest/normalise/delivery'
import { DeliveryWindow, type WindowLimits } from '@wazo-websocketd/ingest/publish/window'
import { delivery } from '../../../support/fakes/delivery.js'

const LIMITS = { batchCountMax: 3, batchBytesMax: 100, windowMax: 20, windowBytesMax: 1000, lingerMs: 1500 }

function windowOf(limits: Partial<WindowLimits> = {}, base = 0): DeliveryWindow {
  return new DeliveryWindow({ ...LIMITS, ...limits }, base)
}

const offsets = (items: readonly { offset: number }[] = []): number[] => items.map(({ offset }) => offset)

describe('DeliveryWindow', () => {
  it('gives the oldest deliveries behind a head, bounded in count', () => {
    const window = windowOf()
    for (let i = 1; i <= 5; i++) window.push(delivery(i))
    expect(offsets(window.batch(0, 0)?.deliveries)).to.deep.equal([1, 2, 3])
    expect(offsets(window.batch(0, 3)?.deliveries)).to.deep.equal([4, 5])
    expect([window.batch(0, 5), window.length]).to.deep.equal([null, 5])
  })

  it('bounds a batch in bytes, but lets a single larger event travel alone', () => {
    const window = windowOf()
    for (const [n, bytes] of [60, 40, 500, 1].entries()) window.push(delivery(n + 1, { bytes }))
    expect(offsets(window.batch(0, 0)?.deliveries)).to.deep.equal([1, 2])
    expect(offsets(window.batch(0, 2)?.deliveries)).to.deep.equal([3])
    expect(offsets(window.batch(0, 3)?.deliveries)).to.deep.equal([4])
  })

  it('gives each partition its own, canaries to all, and reaches over those of others', () => {
    const window = windowOf()
    window.push(delivery(1, { target: 1 }))
    window.push(delivery(2, { target: EVERY_PARTITION, event: null }))
    window.push(delivery(3, { target: 1 }))
    expect(offsets(window.batch(1, 0)?.deliveries)).to.deep.equal([1, 2, 3])
    expect(offsets(window.batch(0, 0)?.deliveries)).to.deep.equal([2])
    expect(window.batch(0, 0)?.last.offset).to.equal(3)
    expect(window.batch(0, 2), 'nothing of its own').to.equal(null)
  })

  it('ends a full batch before the first delivery of its partition that has no room', () => {
    const window = windowOf({ batchCountMax: 1 })
    for (const [n, target] of [0, 1, 0].entries()) window.push(delivery(n + 1, { target }))
    expect(window.batch(0, 0)?.last.offset).to.equal(2)
  })

  it('is full by deliveries or by bytes', () => {
    const byCount = windowOf({ windowMax: 2 })
    byCount.push(delivery(1))
    expect(byCount.fill).to.equal(0.5)
    byCount.push(delivery(2))
    expect(byCount.fill).to.equal(1)
    byCount.release(() => true)
    expect(byCount.fill).to.equal(0)
    const byBytes = windowOf()
    byBytes.push(delivery(1, { bytes: 999 }))
    expect(byBytes.fill).to.be.below(1)
    byBytes.push(delivery(2, { bytes: 1 }))
    expect(byBytes.fill).to.equal(1)
  })

  it('releases from the old end only, in order, and knows up to where by partition', () => {
    const window = windowOf({}, 5)
    const bases = (): number[] => [window.base(0), window.base(1)]
    for (let i = 6; i <= 11; i++) window.push(delivery(i, { target: i === 11 ? EVERY_PARTITION : 0 }))
    expect(bases()).to.deep.equal([5, 5])
    expect(offsets(window.release(({ offset }) => offset !== 9))).to.deep.equal([6, 7, 8])
    expect(bases()).to.deep.equal([8, 5])
    expect(offsets(window.release(() => true))).to.deep.equal([9, 10, 11])
    expect([window.length, ...bases()]).to.deep.equal([0, 11, 11])
    window.push(delivery(12))
    expect(offsets(window.batch(0, 5)?.deliveries)).to.deep.equal([12])
  })

  it('says since when a partition has had something to publish; what is not urgent waits a while for others', () => {
    const window = windowOf()
    window.push(delivery(1, { urgent: false, receivedAt: 100 }))
    expect([window.waitingSince(0, 0, 1599), window.waitingSince(0, 0, 1600)]).to.deep.equal([null, 100])
    window.push(delivery(2, { receivedAt: 200 }))
    expect([window.waitingSince(0, 0, 200), window.waitingSince(0, 1, 200)]).to.deep.equal([200, 200])
    expect([window.waitingSince(0, 2, 9999), window.waitingSince(1, 0, 9999)]).to.deep.equal([null, null])
  })
})
