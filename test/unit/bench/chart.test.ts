import { expect } from 'chai'
import { svg, ticksOf } from '../../bench/report/chart.js'

describe('a chart of the bench', () => {
  const chart = { title: 'a < b', xTitle: 'x', yTitle: 'y' }

  it('has ticks that enclose the values', () => {
    expect(ticksOf([100, 9_000])).to.deep.equal([100, 200, 500, 1_000, 2_000, 5_000, 10_000])
    expect(ticksOf([0.3, 0.4])).to.deep.equal([0.2, 0.5])
    expect(ticksOf([5])).to.deep.equal([5, 10])
  })

  it('draws each point inside, larger values higher and further right', () => {
    const points = [
      [10, 1],
      [1_000, 50],
    ] as const
    const text = svg({ ...chart, series: [{ name: 'ours', points }] })
    const [first, second] = [...text.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)"/g)].map(([, x, y]) => [
      Number(x),
      Number(y),
    ])
    expect(second![0]).to.be.above(first![0]!)
    expect(second![1]).to.be.below(first![1]!)
    for (const [x, y] of [first!, second!]) {
      expect(x).to.be.within(70, 590)
      expect(y).to.be.within(44, 364)
    }
  })

  it('escapes what is text', () => {
    expect(svg({ ...chart, series: [] }))
      .to.include('a &lt; b')
      .and.not.include('a < b')
  })

  it('leaves out what a logarithmic axis cannot show', () => {
    const points = [
      [0, 1],
      [1, NaN],
    ] as const
    const text = svg({ ...chart, series: [{ name: 'ours', points }] })
    expect(text).to.include('nothing was measured').and.not.include('NaN')
  })
})
