import { expect } from 'chai'
import { Batcher } from '@wazo-websocketd/ingest/batcher'
import { delivery } from './delivery-of.js'

function offsets(items: readonly { offset: number }[]): number[] {
  return items.map(({ offset }) => offset)
}

describe('Batcher', () => {
  it('gives the oldest deliveries, bounded in count', () => {
    const batcher = new Batcher({ batchCountMax: 3, batchBytesMax: 1000 })
    for (let i = 1; i <= 5; i++) batcher.push(delivery(i))
    expect(offsets(batcher.peek())).to.deep.equal([1, 2, 3])
    expect(batcher.length).to.equal(5)
  })

  it('bounds a batch in bytes, but lets a single large body travel alone', () => {
    const batcher = new Batcher({ batchCountMax: 10, batchBytesMax: 100 })
    batcher.push(delivery(1, { bytes: 60 }))
    batcher.push(delivery(2, { bytes: 40 }))
    batcher.push(delivery(3, { bytes: 500 }))
    batcher.push(delivery(4, { bytes: 1 }))
    expect(offsets(batcher.peek())).to.deep.equal([1, 2])
    batcher.release(({ offset }) => offset <= 2)
    expect(offsets(batcher.peek())).to.deep.equal([3])
  })

  it('releases from the old end only, in order', () => {
    const batcher = new Batcher({ batchCountMax: 10, batchBytesMax: 100 })
    for (let i = 1; i <= 6; i++) batcher.push(delivery(i))
    expect(offsets(batcher.release(({ offset }) => offset !== 4))).to.deep.equal([1, 2, 3])
    expect(batcher.oldest?.offset).to.equal(4)
    expect(offsets(batcher.release(() => true))).to.deep.equal([4, 5, 6])
    expect(batcher.length).to.equal(0)
    expect(batcher.oldest).to.equal(undefined)
    batcher.push(delivery(7))
    expect(offsets(batcher.peek())).to.deep.equal([7])
  })
})
