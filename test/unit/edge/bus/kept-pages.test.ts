import { KEPT_BYTES_MAX, KeptPages } from '@wazo-websocketd/edge/bus/kept-pages'
import { encodeBatch } from '@wazo-websocketd/shared/domain/envelope'
import type { Offset } from '@wazo-websocketd/shared/domain/position'
import { expect } from 'chai'
import { FakeClock } from '../../../support/fakes/clock.js'
import { batch, EPOCH, event } from '../../../support/fakes/batches.js'

const at = (offset: Offset) => ({ epoch: EPOCH, offset })
const META = { epoch: EPOCH, head: 1_000_000 }
const MIB = 1024 * 1024

describe('KeptPages', () => {
  it('finds a page for every place within it, and for none beside it', () => {
    const pages = new KeptPages(new FakeClock())
    pages.keep(0, 10, { meta: META, entries: [batch(8, 12, [12]), batch(12, 15, [13, 15])] })
    expect([9, 10, 11, 12, 14, 15].map((offset) => pages.find(0, at(offset)) !== null)).to.deep.equal([
      false,
      true,
      true,
      true,
      true,
      false,
    ])
    expect(pages.find(1, at(10))).to.equal(null)
  })

  it('finds nothing before a gap in front of the first entry', () => {
    const pages = new KeptPages(new FakeClock())
    pages.keep(0, 5, { meta: META, entries: [batch(10, 12, [12])] })
    expect(pages.find(0, at(6))).to.equal(null)
    expect(pages.find(0, at(10))).to.not.equal(null)
  })

  it('keeps no page with a gap, and none with another epoch', () => {
    const pages = new KeptPages(new FakeClock())
    expect(pages.keep(0, 10, { meta: META, entries: [batch(10, 12, [12]), batch(13, 14, [14])] })).to.equal(
      null,
    )
    const other = batch(12, 14, [14], 'other' as typeof EPOCH)
    expect(pages.keep(0, 10, { meta: META, entries: [batch(10, 12, [12]), other] })).to.equal(null)
    expect(pages.find(0, at(10))).to.equal(null)
  })

  it('bounds the bytes that it keeps: the page that was used longest ago goes', () => {
    const pages = new KeptPages(new FakeClock())
    const count = KEPT_BYTES_MAX / MIB
    for (let i = 0; i < count; i++) {
      if (i === count - 1) expect(pages.find(0, at(0))).to.not.equal(null)
      const events = [{ ...event(10 * i + 1), body: new Uint8Array(MIB) }]
      const bytes = encodeBatch({ epoch: EPOCH, prev: 10 * i, last: 10 * i + 1, events })
      pages.keep(0, 10 * i, { meta: META, entries: [bytes] })
    }
    expect(pages.find(0, at(0))).to.not.equal(null)
    expect(pages.find(0, at(10))).to.equal(null)
  })

  it('bounds their number', () => {
    const pages = new KeptPages(new FakeClock())
    for (let i = 0; i < 200; i++)
      pages.keep(0, 10 * i, { meta: META, entries: [batch(10 * i, 10 * i + 1, [])] })
    const found = Array.from({ length: 200 }, (_, i) => pages.find(0, at(10 * i))).filter(
      (kept) => kept !== null,
    )
    expect(found).to.have.length(128)
  })
})
