import { expect } from 'chai'
import fc from 'fast-check'
import { Ring } from '@wazo-websocketd/ingest/attach/history'

const OPTIONS = { historyMs: 10_000, historyBytes: 6400 }

function mark(offset: number) {
  return { offset, fingerprint: `f${offset}` }
}

/** One delivery of `bytes` moved head to `offset`. */
function pass(ring: Ring, offset: number, bytes: number, now: number): void {
  ring.count([{ offset, bytes }])
  ring.advance(mark(offset), now)
}

describe('Ring', () => {
  it('knows nothing at first: nothing is forgotten and nowhere to start', () => {
    const ring = new Ring(OPTIONS)
    expect(ring.trimTo(0)).to.equal(null)
    expect(ring.start(0, 60_000)).to.equal(null)
  })

  it('keeps everything until the history is full, then trims to where the stream was that long ago', () => {
    const ring = new Ring(OPTIONS)
    for (let s = 0; s <= 9; s++) pass(ring, s * 10, 1, s * 1000)
    expect(ring.trimTo(9999)).to.equal(null)
    expect(ring.trimTo(10_000)).to.equal(0)
    for (let s = 10; s <= 25; s++) pass(ring, s * 10, 1, s * 1000)
    expect(ring.trimTo(25_000)).to.equal(150)
  })

  it('starts again where the history begins, with the fingerprint of that message', () => {
    const ring = new Ring(OPTIONS)
    for (let s = 0; s <= 25; s++) pass(ring, s * 10, 1, s * 1000)
    expect(ring.start(25_000, 60_000)).to.include({ offset: 150, fingerprint: 'f150' })
    expect(ring.start(25_000, 3000)).to.include({ offset: 220 })
    expect(ring.start(99_000, 3000)).to.include({ offset: 250 })
  })

  it('makes one entry a second on a slow bus, more in a burst', () => {
    const ring = new Ring(OPTIONS)
    pass(ring, 1, 1, 0)
    pass(ring, 2, 1, 100)
    expect(ring.start(0, 0)).to.include({ offset: 1 })
    for (let i = 3; i < 300; i++) pass(ring, i, 100, 200)
    // 6400 bytes of history in steps of 100: the cut is within a second.
    expect(ring.trimTo(200)).to.be.within(299 - 66, 299 - 64)
  })

  it('ignores a head that it has passed, and forgets everything in another numbering', () => {
    const ring = new Ring(OPTIONS)
    pass(ring, 100, 1, 0)
    pass(ring, 50, 1, 5000)
    expect(ring.start(0, 60_000)).to.include({ offset: 100 })
    ring.clear()
    expect(ring.start(0, 60_000)).to.equal(null)
    pass(ring, 5, 1, 6000)
    expect(ring.start(6000, 60_000)).to.include({ offset: 5 })
  })

  it('counts what went by before head has passed it, and nothing twice', () => {
    const ring = new Ring(OPTIONS)
    pass(ring, 1, 0, 0)
    ring.count([
      { offset: 2, bytes: 3000 },
      { offset: 3, bytes: 3000 },
    ])
    ring.advance(mark(3), 100)
    ring.count([
      { offset: 2, bytes: 3000 },
      { offset: 3, bytes: 3000 },
      { offset: 4, bytes: 399 },
    ])
    expect(ring.trimTo(100)).to.equal(null)
    ring.count([{ offset: 5, bytes: 1 }])
    expect(ring.trimTo(100)).to.equal(1)
  })

  it('never trims what is younger than the history and within its bytes', () => {
    const step = fc.record({ ms: fc.integer({ min: 1, max: 3000 }), bytes: fc.integer({ min: 0, max: 500 }) })
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 200 }), (steps) => {
        const ring = new Ring(OPTIONS)
        const seen: { offset: number; at: number; bytes: number }[] = []
        let now = 0
        let bytes = 0
        steps.forEach(({ ms, bytes: size }, offset) => {
          now += ms
          bytes += size
          pass(ring, offset, size, now)
          seen.push({ offset, at: now, bytes })
          const trim = ring.trimTo(now)
          if (trim === null) return
          const place = seen.find((one) => one.offset === trim)
          expect(place).to.not.equal(undefined)
          if (place !== undefined)
            expect(
              now - place.at >= OPTIONS.historyMs || bytes - place.bytes >= OPTIONS.historyBytes,
            ).to.equal(true)
        })
      }),
    )
  })
})
