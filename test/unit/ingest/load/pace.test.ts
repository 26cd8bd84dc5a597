import { Pace } from '@wazo-websocketd/ingest/load/pace'
import { expect } from 'chai'

describe('The pace of publishing', () => {
  it('is that of the clock, with the first event at once', () => {
    const pace = new Pace({ rate: 10, count: Infinity, lengthMs: Infinity })
    expect([0, 50, 100, 150, 1000].map((ms) => pace.take(ms, 100))).to.deep.equal([1, 0, 1, 0, 9])
    expect(pace.isOver(1e9)).to.equal(false)
  })

  it('makes up for what there was no room for', () => {
    const pace = new Pace({ rate: 10, count: Infinity, lengthMs: Infinity })
    expect([pace.take(1000, 4), pace.take(1000, 0), pace.take(1000, 100)]).to.deep.equal([4, 0, 7])
  })

  it('ends with its count', () => {
    const pace = new Pace({ rate: 10, count: 3, lengthMs: Infinity })
    expect([pace.take(0, 100), pace.isOver(0), pace.take(1000, 100), pace.isOver(1000)]).to.deep.equal([
      1,
      false,
      2,
      true,
    ])
  })

  it('ends with its time, when all that was due by then is sent', () => {
    const pace = new Pace({ rate: 10, count: Infinity, lengthMs: 1000 })
    expect(pace.take(2000, 4)).to.equal(4)
    expect(pace.isOver(2000)).to.equal(false)
    expect(pace.take(2000, 100)).to.equal(6)
    expect(pace.isOver(2000)).to.equal(true)
  })
})
