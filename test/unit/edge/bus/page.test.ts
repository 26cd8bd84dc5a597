import { readPage, type Page } from '@wazo-websocketd/edge/bus/page'
import { encodeState } from '@wazo-websocketd/shared/domain/envelope'
import { expect } from 'chai'
import { batch, EPOCH, OTHER_EPOCH } from '../../../support/fakes/batches.js'

const at = { epoch: EPOCH, offset: 10 }
const live = { lastSeen: 0, ceiling: Infinity }

function page(head: number, ...entries: Uint8Array[]): Page {
  return { meta: { epoch: EPOCH, head }, entries }
}

function offsets(reading: ReturnType<typeof readPage>): number[] {
  return reading.kind === 'read' ? reading.batches.flat().map((event) => event.offset) : []
}

describe('recovery', () => {
  it('reads on to the head', () => {
    const reading = readPage(at, page(14, batch(10, 12, [11, 12]), batch(12, 14, [14])), live)
    expect(reading).to.include({ kind: 'read', reached: 14, complete: true })
    expect(offsets(reading)).to.deep.equal([11, 12, 14])
  })

  it('is complete at once when nothing is missing', () => {
    expect(readPage(at, page(10), live)).to.deep.equal({
      kind: 'read',
      batches: [],
      reached: 10,
      complete: true,
    })
  })

  it('takes only what lies above the cursor from a batch that overlaps it', () => {
    expect(offsets(readPage(at, page(12, batch(8, 12, [9, 10, 11, 12])), live))).to.deep.equal([11, 12])
  })

  it('goes on to the next page until the head is reached', () => {
    expect(readPage(at, page(20, batch(10, 12, [12])), live)).to.include({ reached: 12, complete: false })
  })

  it('goes on beyond the head that it read when more has been heard', () => {
    const reading = readPage(at, page(12, batch(10, 12, [12])), { lastSeen: 13, ceiling: Infinity })
    expect(reading).to.include({ reached: 12, complete: false })
  })

  it('stops at the ceiling, also within a batch', () => {
    const reading = readPage(at, page(16, batch(10, 14, [11, 12, 13, 14]), batch(14, 16, [16])), {
      lastSeen: 12,
      ceiling: 12,
    })
    expect(reading).to.include({ reached: 12, complete: true })
    expect(offsets(reading)).to.deep.equal([11, 12])
  })

  it('moves over ranges without events', () => {
    expect(readPage(at, page(12, batch(10, 12, [])), live)).to.include({ reached: 12, complete: true })
  })

  it('waits while Redis is empty', () => {
    expect(readPage(at, { meta: null, entries: [] }, live).kind).to.equal('wait')
  })

  it('waits while the head is below the cursor', () => {
    expect(readPage(at, page(9), live).kind).to.equal('wait')
  })

  it('waits while the head is below what has been heard', () => {
    expect(readPage(at, page(10), { lastSeen: 12, ceiling: Infinity }).kind).to.equal('wait')
  })

  const losses: [string, Page][] = [
    ['another epoch in meta', { meta: { epoch: OTHER_EPOCH, head: 12 }, entries: [] }],
    ['another epoch in the log', page(12, batch(10, 12, [12], OTHER_EPOCH))],
    ['an entry above the cursor', page(14, batch(12, 14, [14]))],
    ['a gap between entries', page(16, batch(10, 12, [12]), batch(14, 16, [16]))],
    ['an empty page below the head', page(12)],
    ['an entry of an unknown version', page(12, Uint8Array.of(99, 1))],
    ['an entry with malformed events', page(12, batch(10, 12, [12]).subarray(0, -1))],
    ['a state in the log', page(12, encodeState({ ingest: 'i', epoch: EPOCH, state: 'up', heads: [12] }))],
  ]
  it('says that it is the form that it does not know, not the numbering', () => {
    const foreign = { meta: null, entries: [], unreadable: 'numbering of form 2' }
    for (const [given, why] of [
      [foreign, /form 2/],
      [page(12, Uint8Array.of(99, 1)), /version 99: this program reads/],
    ] as const) {
      const reading = readPage(at, given, live)
      expect(reading).to.include({ kind: 'lost', loss: 'continuity', unreadable: true })
      expect(reading.kind === 'lost' && reading.why).to.match(why)
    }
    expect(readPage(at, page(12), live)).to.not.have.property('unreadable')
  })

  for (const [what, given] of losses) {
    it(`is lost with ${what}`, () => {
      expect(readPage(at, given, live).kind).to.equal('lost')
    })
  }
})
