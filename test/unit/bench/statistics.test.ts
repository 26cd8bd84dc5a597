import { expect } from 'chai'
import { digits, median } from '../../bench/report/statistics.js'

describe('the statistics of the bench', () => {
  it('know the median', () => {
    expect(median([3, 1, 20])).to.equal(3)
    expect(median([4, 1, 2, 20])).to.equal(3)
    expect(median([])).to.be.NaN
  })

  it('show three digits', () => {
    expect([0, 0.012345, 1.2345, 99.96, 1234.5, 1234567].map(digits)).to.deep.equal([
      '0',
      '0.0123',
      '1.23',
      '100',
      '1,235',
      '1,234,567',
    ])
  })

  it('show nothing for what was not measured', () => {
    expect([NaN, Infinity].map(digits)).to.deep.equal(['-', '-'])
  })
})
