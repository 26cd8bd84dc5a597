import { expect } from 'chai'
import fc from 'fast-check'
import { KnownGaps, Numbering } from '@wazo-websocketd/ingest/normalise/numbering'
import { message } from '../../../support/fakes/publish-loop.js'

interface Item {
  /** Where it stands. */
  readonly offset: number
  /** null: a canary. */
  readonly claim: unknown
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
    for (const { offset, claim } of items) {
      const headers = { 'x-stream-offset': claim === null ? offset : claim }
      subject.take(message(offset, headers, '', String(offset)), claim === null ? CANARY : null)
    }
  }
  return { subject, knownGaps, got, canaries, seen, take, numbers: () => got.map(([, number]) => number) }
}

const honest = (offset: number): Item => ({ offset, claim: offset })
const canary = (offset: number): Item => ({ offset, claim: null })
const lie = (offset: number, claim: unknown): Item => ({ offset, claim })

/** What the stream holds: per message its step (2: a skip), whether it is a canary, and what its header claims. */
const item = fc.record({
  isSkip: fc.nat(9).map((n) => n === 0),
  isCanary: fc.nat(4).map((n) => n === 0),
  lie: fc.option(
    fc.oneof(
      fc.integer({ min: -20, max: 20 }),
      fc.constantFrom('string', 'none', 'huge', 'negative', 'fraction' as const),
    ),
    { freq: 2, nil: null },
  ),
})

function claimAt(offset: number, how: string | number): unknown {
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
    take(honest(11), lie(12, 99), honest(13))
    expect([numbers(), subject.isHolding, seen.asked]).to.deep.equal([[11], true, 1])
    take(canary(14))
    expect([numbers(), subject.isHolding]).to.deep.equal([[11, 12, 13, 14], false])
  })

  it('hands canaries on with their messages, whether these were held or not', () => {
    const { canaries, take, numbers } = numbering(10)
    take(canary(11), honest(12), lie(13, 99), canary(14), canary(15))
    expect([numbers(), canaries]).to.deep.equal([
      [11, 12, 13, 14, 15],
      [11, 14, 15],
    ])
  })

  for (const claim of [5, 14, 13, '12', undefined, 1e300, -1, 12.5])
    it(`believes no header that says ${String(claim)} instead of 12`, () => {
      const { take, numbers, subject } = numbering(10)
      take(honest(11), lie(12, claim), lie(13, claim), honest(14), canary(15), honest(16))
      expect([numbers(), subject.gap]).to.deep.equal([[11, 12, 13, 14, 15, 16], null])
    })

  it('places one or several skips of one where honest headers say so', () => {
    const { take, numbers } = numbering(10)
    take(honest(12), honest(13), lie(14, 3), honest(16), honest(17), canary(18))
    // Two together may be a jump: that has been tried.
    expect(numbers()).to.deep.equal([])
    const knownGaps = new KnownGaps()
    knownGaps.add({ from: 10, to: 13 })
    const again = numbering(10, knownGaps)
    again.take(honest(12), honest(13), lie(14, 3), honest(16), honest(17), canary(18))
    expect(again.numbers()).to.deep.equal([12, 13, 14, 16, 17, 18])
  })

  it('takes a larger jump only when attaching again has met it, too', () => {
    const first = numbering(10)
    first.take(honest(11), honest(15), canary(16), honest(17))
    expect([first.numbers(), first.subject.gap]).to.deep.equal([[11], { from: 11, to: 15 }])
    first.knownGaps.add(first.subject.gap!)
    const second = numbering(10, first.knownGaps)
    second.take(honest(11), honest(15), canary(16), honest(17))
    expect([second.numbers(), second.subject.gap]).to.deep.equal([[11, 15, 16, 17], null])
    const other = numbering(10, first.knownGaps)
    other.take(honest(11), honest(16), canary(17))
    expect(other.subject.gap).to.deep.equal({ from: 11, to: 16 })
  })

  it('takes no canary that stands below what came before it', () => {
    const { take, subject } = numbering(10)
    take(honest(11), canary(11))
    expect(subject.gap).to.not.equal(null)
  })

  it('judges by the last one when no canary comes', () => {
    const { take, numbers, subject } = numbering(10)
    take(honest(12), honest(13))
    subject.judgeHeld()
    expect([numbers(), subject.isHolding]).to.deep.equal([[12, 13], false])
    subject.judgeHeld()
    expect(numbers()).to.deep.equal([12, 13])
    take(lie(14, 3))
    subject.judgeHeld()
    expect([numbers(), subject.gap]).to.deep.equal([[12, 13, 14], null])
  })

  it('holds a bounded number of messages, and then judges by one that can be right', () => {
    const { take, numbers } = numbering(10)
    for (let offset = 12; offset <= 260; offset++) take(honest(offset))
    expect(numbers()).to.deep.equal([])
    take(lie(261, 9999), honest(262))
    expect(numbers()).to.deep.equal(Array.from({ length: 251 }, (_, n) => 12 + n))
    for (let n = 0; n < 499; n++) take(lie(263 + n, 'x'))
    expect(numbers()).to.have.length(251)
    take(lie(762, 'x'))
    expect(numbers()).to.have.length(751)
  })

  it('remembers a bounded number of jumps', () => {
    const knownGaps = new KnownGaps()
    for (let from = 0; from <= 1000; from++) knownGaps.add({ from, to: from + 9 })
    expect([0, 1, 1000].map((from) => knownGaps.has({ from, to: from + 9 }))).to.deep.equal([
      false,
      true,
      true,
    ])
  })

  it('gives every message its true offset, whatever lies stand in headers', () => {
    const property = fc.property(fc.array(item, { maxLength: 80, size: 'max' }), (items) => {
      const { take, got, subject } = numbering()
      const stream: Item[] = []
      let offset = 0
      // One skip between two canaries; which message stands before it cannot be told when the one behind it, or one that
      // claims to be behind one, lies.
      let isSure: boolean = true
      for (const { isSkip, isCanary, lie: how } of items) {
        const skips: boolean = isSkip && isSure
        offset += skips ? 2 : 1
        const lies: boolean = how !== null && how !== 0 && !skips && !isCanary
        stream.push(isCanary ? canary(offset) : lie(offset, lies ? claimAt(offset, how ?? 0) : offset))
        isSure = isCanary || (isSure && !skips && !(lies && how === 1))
      }
      stream.push(canary(offset + 1))
      take(...stream)
      expect(subject.gap).to.equal(null)
      expect(got).to.deep.equal(stream.map((one) => [String(one.offset), one.offset]))
    })
    fc.assert(property, { numRuns: 500 })
  })

  it('delivers all in their order with rising offsets, those of canaries true, whatever lies stand beside a skip', () => {
    const property = fc.property(fc.array(item, { maxLength: 80, size: 'max' }), (items) => {
      const { take, got, subject } = numbering()
      const stream: Item[] = []
      let offset = 0
      let hasSkipped: boolean = false
      for (const { isSkip, isCanary, lie: how } of items) {
        const skips: boolean = isSkip && !hasSkipped
        offset += skips ? 2 : 1
        stream.push(isCanary ? canary(offset) : lie(offset, how === null ? offset : claimAt(offset, how)))
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
          one.claim === null ? one.offset : one.offset - 1,
          one.offset + (one.claim === null ? 0 : 1),
        )
      }
    })
    fc.assert(property, { numRuns: 500 })
  })
})
