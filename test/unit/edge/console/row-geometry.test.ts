import { expect } from 'chai'
import fc from 'fast-check'

interface Geometry {
  readonly height: number
  topOf(index: number): number
  indexAt(y: number): number
}

const { RowGeometry } = (await import(
  new URL('../../../../packages/edge/console/row-geometry.js', import.meta.url).href
)) as {
  RowGeometry: new (rows: {
    count: number
    rowHeight: number
    openIndex: number
    openHeight: number
  }) => Geometry
}

describe("The console's geometry of rows", () => {
  it('has rows of one height while none is open', () => {
    const rows = new RowGeometry({ count: 10, rowHeight: 20, openIndex: -1, openHeight: 99 })
    expect([rows.height, rows.topOf(3), rows.indexAt(59), rows.indexAt(60)]).to.deep.equal([200, 60, 2, 3])
  })

  it('moves what is below an open row, and nothing above it', () => {
    const rows = new RowGeometry({ count: 10, rowHeight: 20, openIndex: 2, openHeight: 120 })
    expect([rows.height, rows.topOf(2), rows.topOf(3)]).to.deep.equal([300, 40, 160])
    expect([39, 40, 159, 160].map((y) => rows.indexAt(y))).to.deep.equal([1, 2, 2, 3])
  })

  it('finds each row at each of its heights, and the nearest one outside', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 300 }),
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: -1, max: 299 }),
        fc.integer({ min: 0, max: 500 }),
        (count, rowHeight, open, extra) => {
          const openIndex = Math.min(open, count - 1)
          const rows = new RowGeometry({ count, rowHeight, openIndex, openHeight: rowHeight + extra })
          for (let index = 0; index < count; index++) {
            expect(rows.indexAt(rows.topOf(index))).to.equal(index)
            expect(rows.indexAt(rows.topOf(index + 1) - 1)).to.equal(index)
          }
          expect([rows.indexAt(-50), rows.indexAt(rows.height + 50)]).to.deep.equal([0, count - 1])
        },
      ),
      { numRuns: 50 },
    )
  })
})
