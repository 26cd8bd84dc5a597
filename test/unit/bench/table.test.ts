import { expect } from 'chai'
import { Figures } from '../../bench/report/figures.js'
import { asMarkdown, asText, curveTable, scenarioTable } from '../../bench/report/table.js'

describe('the tables of the bench', () => {
  const figures = new Figures()
  figures.add('singles', 'F0', { us: 10, feed: 0 })
  figures.add('singles', 'F0', { us: 14, feed: 0 })
  figures.add('singles', 'ours', { us: 1_200, feed: 0, 'p99 ms': 3 })
  figures.point({ curve: 'sessions', contestant: 'ours', x: 100, values: { us: 9.5 } })

  it('show medians, and no column that is empty', () => {
    expect(scenarioTable(figures, 'singles')).to.deep.equal({
      head: ['', 'us', 'p99 ms'],
      rows: [
        ['F0', '12', '-'],
        ['ours', '1,200', '3'],
      ],
    })
  })

  it('show the points of a curve', () => {
    expect(curveTable(figures, 'sessions')).to.deep.equal({
      head: ['', 'sessions', 'us'],
      rows: [['ours', '100', '9.5']],
    })
  })

  it('are written for the console with numbers to the right', () => {
    expect(asText(scenarioTable(figures, 'singles'))).to.equal(
      ['         us  p99 ms', 'F0       12       -', 'ours  1,200       3'].join('\n'),
    )
  })

  it('are written as Markdown, with bars in a cell kept apart from those of the table', () => {
    expect(asMarkdown({ head: ['a'], rows: [['x|y']] })).to.equal('| a |\n| --- |\n| x\\|y |')
  })
})
