import { expect } from 'chai'
import fc from 'fast-check'
import { StreamHistory } from '@wazo-websocketd/ingest/attach/history'

const OPTIONS = { historyMs: 10_000, historyBytes: 6400 }

function mark(offset: number) {
  return { offset, fingerprint: `f${offset}` }
}

/** Moves head to `offset` by one delivery of `bytes`. */
function pass(history: StreamHistory, offset: number, bytes: number, now: number): void {
  history.count([{ offset, bytes }])
  history.advance(mark(offset), now)
}

describe('StreamHistory', () => {
  it('knows nothing at first: nothing is forgotten and nowhere to start', () => {
    const history = new StreamHistory(OPTIONS)
    expect(history.trimTo(0)).to.equal(null)
    expect(history.start(0, 60_000)).to.equal(null)
  })

  it('keeps everything until the history is full, then trims to where the stream was that long ago', () => {
    const history = new StreamHistory(OPTIONS)
    for (let s = 0; s <= 9; s++) pass(history, s * 10, 1, s * 1000)
    expect(history.trimTo(9999)).to.equal(null)
    expect(history.trimTo(10_000)).to.equal(0)
    for (let s = 10; s <= 25; s++) pass(history, s * 10, 1, s * 1000)
    expect(history.trimTo(25_000)).to.equal(150)
  })

  it('starts again where the history begins, with the fingerprint of that message', () => {
    const history = new StreamHistory(OPTIONS)
    for (let s = 0; s <= 25; s++) pass(history, s * 10, 1, s * 1000)
    expect(history.start(25_000, 60_000)).to.include({ offset: 150, fingerprint: 'f150' })
    expect(history.start(25_000, 3000)).to.include({ offset: 220 })
    expect(history.start(99_000, 3000)).to.include({ offset: 250 })
  })

  it('makes one entry a second on a slow bus, more in a burst', () => {
    const history = new StreamHistory(OPTIONS)
    pass(history, 1, 1, 0)
    pass(history, 2, 1, 100)
    expect(history.start(0, 0)).to.include({ offset: 1 })
    for (let i = 3; i < 300; i++) pass(history, i, 100, 200)
    // 6400 bytes of history in steps of 100: the cut is within a second.
    expect(history.trimTo(200)).to.be.within(299 - 66, 299 - 64)
  })

  it('ignores a head that it has passed, and forgets everything in another numbering', () => {
    const history = new StreamHistory(OPTIONS)
    pass(history, 100, 1, 0)
    pass(history, 50, 1, 5000)
    expect(history.start(0, 60_000)).to.include({ offset: 100 })
    history.clear()
    expect(history.start(0, 60_000)).to.equal(null)
    pass(history, 5, 1, 6000)
    expect(history.start(6000, 60_000)).to.include({ offset: 5 })
  })

  it('counts what went by before head has passed it, and nothing twice', () => {
    const history = new StreamHistory(OPTIONS)
    pass(history, 1, 0, 0)
    history.count([
      { offset: 2, bytes: 3000 },
      { offset: 3, bytes: 3000 },
    ])
    history.advance(mark(3), 100)
    history.count([
      { offset: 2, bytes: 3000 },
      { offset: 3, bytes: 3000 },
      { offset: 4, bytes: 399 },
    ])
    expect(history.trimTo(100)).to.equal(null)
    history.count([{ offset: 5, bytes: 1 }])
    expect(history.trimTo(100)).to.equal(1)
  })

  it('never trims what is younger than the history and within its bytes', () => {
    const step = fc.record({ ms: fc.integer({ min: 1, max: 3000 }), bytes: fc.integer({ min: 0, max: 500 }) })
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 200 }), (steps) => {
        const history = new StreamHistory(OPTIONS)
        const seen: { offset: number; at: number; bytes: number }[] = []
        let now = 0
        let bytes = 0
        steps.forEach(({ ms, bytes: size }, offset) => {
          now += ms
          bytes += size
          pass(history, offset, size, now)
          seen.push({ offset, at: now, bytes })
          const trim = history.trimTo(now)
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

  it('knows the partitions that it has seen in this numbering', () => {
    const history = new StreamHistory(OPTIONS)
    history.see(2)
    history.see(0)
    expect([...history.seen]).to.have.members([0, 2])
    history.clear()
    expect([...history.seen]).to.deep.equal([])
  })
})
