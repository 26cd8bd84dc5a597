import { expect } from 'chai'
import fc from 'fast-check'
import { clientFrame } from '../../../support/frames.js'
import { FrameScanner } from '@wazo-websocketd/edge/socket/frame-scanner'

const TEXT = 1
const CLOSE = 8
const PING = 9

const frame = (opcode: number, length: number, masked = true): Buffer =>
  clientFrame(Buffer.alloc(length, 'x'), { opcode, masked })

/** Ends of frames in a stream that arrives in `chunks`, counted from its first byte. */
const endsIn = (chunks: readonly Buffer[]): number[] => {
  const scanner = new FrameScanner()
  const ends: number[] = []
  let base = 0
  for (const chunk of chunks) {
    for (let at = 0; at < chunk.length;) {
      at = scanner.advance(chunk, at)
      if (scanner.between) ends.push(base + at)
    }
    base += chunk.length
  }
  return ends
}

const cut = (bytes: Buffer, places: readonly number[]): Buffer[] => {
  const at = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b)
  return [...at, bytes.length].map((to, i) => bytes.subarray(i === 0 ? 0 : at[i - 1], to))
}

describe('scanner of frames', () => {
  it('finds the end of every frame, however the bytes arrive', () => {
    const lengths = fc.oneof(
      fc.integer({ min: 0, max: 125 }),
      fc.integer({ min: 126, max: 700 }),
      fc.constantFrom(0, 125, 126, 127, 65_535, 65_536, 70_000),
    )
    fc.assert(
      fc.property(
        fc.array(fc.tuple(lengths, fc.boolean()), { minLength: 1, maxLength: 8 }),
        fc.array(fc.nat(), { maxLength: 12 }),
        (frames, places) => {
          const bytes = frames.map(([length, mask]) => frame(TEXT, length, mask))
          let end = 0
          const ends = bytes.map(({ length }) => (end += length))
          expect(endsIn(cut(Buffer.concat(bytes), places))).to.deep.equal(ends)
        },
      ),
      { numRuns: 200 },
    )
  })

  it('tells control frames and close frames from others, from their first byte on', () => {
    const kinds = [TEXT, PING, CLOSE].map((opcode) => {
      const scanner = new FrameScanner()
      scanner.advance(frame(opcode, 3).subarray(0, 1), 0)
      return [scanner.isControl, scanner.isClose]
    })
    expect(kinds).to.deep.equal([
      [false, false],
      [true, false],
      [true, true],
    ])
  })

  it('stays within a frame whose length no number of bytes will ever reach', () => {
    const scanner = new FrameScanner()
    const head = Buffer.from([0x81, 0xff, ...Array<number>(8).fill(0xff), 1, 2, 3, 4])
    expect(scanner.advance(head, 0)).to.equal(head.length)
    expect(scanner.advance(Buffer.alloc(1 << 20), 0)).to.equal(1 << 20)
    expect(scanner.between).to.equal(false)
  })
})
