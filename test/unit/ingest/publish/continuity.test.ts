import { expect } from 'chai'
import { Continuity } from '@wazo-websocketd/ingest/publish/continuity'

/** A continuity that has read up to offset 100 and taken in `numbers` of the channel that began with 1. */
function after(...numbers: number[]): Continuity {
  const subject = new Continuity()
  subject.attached(50, true)
  for (const n of numbers) expect(subject.accept({ n, first: 1 })).to.equal(true)
  subject.readUpTo(100)
  return subject
}

describe('Continuity', () => {
  it('begins with any number, and misses none that follows', () => {
    const subject = after(17, 18, 19)
    expect(subject.accept({ n: 21, first: 1 })).to.equal(false)
    expect(subject.accept({ n: 22, first: 1 }), 'told once').to.equal(true)
  })

  it('takes a number that it knows for read again', () => {
    const subject = after(3, 4, 5)
    for (const n of [4, 5, 6]) expect(subject.accept({ n, first: 1 })).to.equal(true)
  })

  it('misses nothing of a channel that is gone, but the first of the next one', () => {
    expect(after(3).accept({ n: 9, first: 9 })).to.equal(true)
    expect(after(3).accept({ n: 10, first: 9 })).to.equal(false)
    expect(after(3).accept({ n: 4, first: 9 }), 'late, of the old one').to.equal(false)
  })

  for (const [what, at, sameEpoch, isMissed] of [
    ['reading goes on where it was left off', 100, true, true],
    ['it is read again from before', 60, true, true],
    ['others have published what was not read here', 101, true, false],
    ['a new epoch has begun: the loss was told', 100, false, false],
  ] as const)
    it(`${isMissed ? 'misses' : 'does not miss'} one after attaching again when ${what}`, () => {
      const subject = after(3, 4)
      subject.attached(at, sameEpoch)
      expect(subject.accept({ n: 6, first: 1 })).to.equal(!isMissed)
    })
})
