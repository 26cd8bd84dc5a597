import { expect } from 'chai'
import fc from 'fast-check'
import { KnownGaps, Numbering } from '@wazo-websocketd/ingest/normalise/numbering'
import { message } from '../../../support/fakes/publish-loop.js'

interface Item {
  /** Its true offset. */
  readonly offset: number
  /** Offset in the header; null: a canary. */
  readonly inHeader: unknown
}

const CANARY = { ingest: 'me', sentAt: 0, n: 1, first: 1, beat: true }

function numbering(at = 0, knownGaps = new KnownGaps()) {
  const got: [string, number][] = []
  const canaries: number[] = []
  const seen = { asked: 0 }
  const subject = new Numbering(at, {
    knownGaps,
    deliver: (one, offset, canary) => {
      got.push([one.content.toString(), offset])
      if (canary === CANARY) canaries.push(offset)
    },
    requestCanary: () => seen.asked++,
  })
  const take = (...items: readonly Item[]): void => {
    for (const { offset, inHeader } of items) {
      const headers = { 'x-stream-offset': inHeader === null ? offset : inHeader }
      subject.take(message(offset, headers, '', String(offset)), inHeader === null ? CANARY : null)
    }
  }
  return { subject, knownGaps, got, canaries, seen, take, numbers: () => got.map(([, number]) => number) }
}

const genuine = (offset: number): Item => ({ offset, inHeader: offset })
const canary = (offset: number): Item => ({ offset, inHeader: null })
const forged = (offset: number, inHeader: unknown): Item => ({ offset, inHeader })

/** A message of the stream: whether a skip lies before it, whether it is a canary, and how its header is forged. */
const item = fc.record({
  isSkip: fc.nat(9).map((n) => n === 0),
  isCanary: fc.nat(4).map((n) => n === 0),
  forged: fc.option(
    fc.oneof(
      fc.integer({ min: -20, max: 20 }),
      fc.constantFrom('string', 'none', 'huge', 'negative', 'fraction' as const),
    ),
    { freq: 2, nil: null },
  ),
})

function headerAt(offset: number, how: string | number): unknown {
  if (typeof how === 'number') return offset + how
  return {
    string: String(offset),
    none: undefined,
    huge: 2 ** 60,
    negative: -offset,
    fraction: offset + 0.5,
  }[how]
}

describe('Numbering', () => {
  it('takes the number that comes next for granted, and holds any other one for a canary', () => {
    const { subject, seen, take, numbers } = numbering(10)
    take(genuine(11), forged(12, 99), genuine(13))
    expect([numbers(), subject.isHolding, seen.asked]).to.deep.equal([[11], true, 1])
    take(canary(14))
    expect([numbers(), subject.isHolding]).to.deep.equal([[11, 12, 13, 14], false])
  })

  it('hands canaries on with their messages, whether these were held or not', () => {
    const { canaries, take, numbers } = numbering(10)
    take(canary(11), genuine(12), forged(13, 99), canary(14), canary(15))
    expect([numbers(), canaries]).to.deep.equal([
      [11, 12, 13, 14, 15],
      [11, 14, 15],
    ])
  })

  for (const inHeader of [5, 14, 13, '12', undefined, 1e300, -1, 12.5])
    it(`believes no header with ${String(inHeader)} instead of 12`, () => {
      const { take, numbers, subject } = numbering(10)
      take(genuine(11), forged(12, inHeader), forged(13, inHeader), genuine(14), canary(15), genuine(16))
      expect([numbers(), subject.gap]).to.deep.equal([[11, 12, 13, 14, 15, 16], null])
    })

  it('places one or several skips of one where genuine headers show them', () => {
    const { take, numbers } = numbering(10)
    take(genuine(12), genuine(13), forged(14, 3), genuine(16), genuine(17), canary(18))
    // Two together may be a gap: attaching again has to prove it.
    expect(numbers()).to.deep.equal([])
    const knownGaps = new KnownGaps()
    knownGaps.add({ from: 10, to: 13 })
    const again = numbering(10, knownGaps)
    again.take(genuine(12), genuine(13), forged(14, 3), genuine(16), genuine(17), canary(18))
    expect(again.numbers()).to.deep.equal([12, 13, 14, 16, 17, 18])
  })

  it('takes a larger gap only when attaching again has met it, too', () => {
    const first = numbering(10)
    first.take(genuine(11), genuine(15), canary(16), genuine(17))
    expect([first.numbers(), first.subject.gap]).to.deep.equal([[11], { from: 11, to: 15 }])
    first.knownGaps.add(first.subject.gap!)
    const second = numbering(10, first.knownGaps)
    second.take(genuine(11), genuine(15), canary(16), genuine(17))
    expect([second.numbers(), second.subject.gap]).to.deep.equal([[11, 15, 16, 17], null])
    const other = numbering(10, first.knownGaps)
    other.take(genuine(11), genuine(16), canary(17))
    expect(other.subject.gap).to.deep.equal({ from: 11, to: 16 })
  })

  it('takes no canary that stands below what came before it', () => {
    const { take, subject } = numbering(10)
    take(genuine(11), canary(11))
    expect(subject.gap).to.not.equal(null)
  })

  it('judges by the last one when no canary comes', () => {
    const { take, numbers, subject } = numbering(10)
    take(genuine(12), genuine(13))
    subject.numberHeld()
    expect([numbers(), subject.isHolding]).to.deep.equal([[12, 13], false])
    subject.numberHeld()
    expect(numbers()).to.deep.equal([12, 13])
    take(forged(14, 3))
    subject.numberHeld()
    expect([numbers(), subject.gap]).to.deep.equal([[12, 13, 14], null])
  })

  it('holds a bounded number of messages, and then judges by one that can be right', () => {
    const { take, numbers } = numbering(10)
    for (let offset = 12; offset <= 260; offset++) take(genuine(offset))
    expect(numbers()).to.deep.equal([])
    take(forged(261, 9999), genuine(262))
    expect(numbers()).to.deep.equal(Array.from({ length: 251 }, (_, n) => 12 + n))
    for (let n = 0; n < 499; n++) take(forged(263 + n, 'x'))
    expect(numbers()).to.have.length(251)
    take(forged(762, 'x'))
    expect(numbers()).to.have.length(751)
  })

  it('remembers a bounded number of gaps', () => {
    const knownGaps = new KnownGaps()
    for (let from = 0; from <= 1000; from++) knownGaps.add({ from, to: from + 9 })
    expect([0, 1, 1000].map((from) => knownGaps.has({ from, to: from + 9 }))).to.deep.equal([
      false,
      true,
      true,
    ])
  })

  it('gives every message its true offset, however headers are forged', () => {
    const property = fc.property(fc.array(item, { maxLength: 80, size: 'max' }), (items) => {
      const { take, got, subject } = numbering()
      const stream: Item[] = []
      let offset = 0
      // One skip between two canaries. Its place is not known when the header behind it is forged, or another one pretends
      // to be behind a skip.
      let isSure: boolean = true
      for (const { isSkip, isCanary, forged: how } of items) {
        const skips: boolean = isSkip && isSure
        offset += skips ? 2 : 1
        const isForged: boolean = how !== null && how !== 0 && !skips && !isCanary
        stream.push(
          isCanary ? canary(offset) : forged(offset, isForged ? headerAt(offset, how ?? 0) : offset),
        )
        isSure = isCanary || (isSure && !skips && !(isForged && how === 1))
      }
      stream.push(canary(offset + 1))
      take(...stream)
      expect(subject.gap).to.equal(null)
      expect(got).to.deep.equal(stream.map((one) => [String(one.offset), one.offset]))
    })
    fc.assert(property, { numRuns: 500 })
  })

  it('delivers all in their order with rising offsets, those of canaries true, however headers beside a skip are forged', () => {
    const property = fc.property(fc.array(item, { maxLength: 80, size: 'max' }), (items) => {
      const { take, got, subject } = numbering()
      const stream: Item[] = []
      let offset = 0
      let hasSkipped: boolean = false
      for (const { isSkip, isCanary, forged: how } of items) {
        const skips: boolean = isSkip && !hasSkipped
        offset += skips ? 2 : 1
        stream.push(isCanary ? canary(offset) : forged(offset, how === null ? offset : headerAt(offset, how)))
        hasSkipped = !isCanary && (hasSkipped || skips)
      }
      stream.push(canary(offset + 1))
      take(...stream)
      expect(subject.gap).to.equal(null)
      expect(got.map(([body]) => Number(body))).to.deep.equal(stream.map((one) => one.offset))
      for (const [n, one] of stream.entries()) {
        const number = got[n]![1]
        expect(number).to.be.above(n === 0 ? 0 : got[n - 1]![1])
        expect(number).to.be.within(
          one.inHeader === null ? one.offset : one.offset - 1,
          one.offset + (one.inHeader === null ? 0 : 1),
        )
      }
    })
    fc.assert(property, { numRuns: 500 })
  })
})
