import { expect } from 'chai'
import { clientFrame, FrameReader, PING, PING_OPCODE, TEXT, textsOf } from '../support/frames.js'

/** A server masks nothing. */
const serverFrame = (payload: string, opcode = 1) => clientFrame(payload, { opcode, masked: false })

function reading(): { reader: FrameReader; seen: [number, string][] } {
  const seen: [number, string][] = []
  const reader = new FrameReader((kind, bytes, from, to) => {
    seen.push([kind, bytes.toString('latin1', from, to)])
  })
  return { reader, seen }
}

describe('the reader of frames', () => {
  const shorts = ['', 'a', 'b'.repeat(125), 'c'.repeat(126), 'd'.repeat(450)]
  const all = [...shorts, 'e'.repeat(70_000), 'f']
  const streamOf = (payloads: readonly string[]) => {
    return Buffer.concat([...payloads.map((each) => serverFrame(each)), serverFrame('ping', PING_OPCODE)])
  }
  const expectedOf = (payloads: readonly string[]) => [
    ...payloads.map((each) => [TEXT, each]),
    [PING, 'ping'],
  ]

  it('finds all frames in one chunk', () => {
    const { reader, seen } = reading()
    reader.push(streamOf(all))
    expect(seen).to.deep.equal(expectedOf(all))
  })

  for (const size of [1, 2, 3, 127, 1_000, 65_536])
    it(`finds the same frames in chunks of ${size} bytes, whose memory is used again`, () => {
      const { reader, seen } = reading()
      const payloads = size < 100 ? shorts : all
      const stream = streamOf(payloads)
      const memory = Buffer.alloc(size)
      for (let at = 0; at < stream.length; at += size) {
        const length = stream.copy(memory, 0, at, at + size)
        reader.push(memory.subarray(0, length))
      }
      expect(seen).to.deep.equal(expectedOf(payloads))
    })

  it('tells nothing of a frame that is not complete', () => {
    const { reader, seen } = reading()
    reader.push(serverFrame('abc').subarray(0, 4))
    expect(seen).to.deep.equal([])
  })

  it('refuses what is not text where only texts are due', () => {
    expect(textsOf(serverFrame('é'))).to.deep.equal(['é'])
    expect(() => textsOf(serverFrame('', PING_OPCODE))).to.throw('not a final text frame')
    expect(() => textsOf(clientFrame('', { masked: false, rsv: 4 }))).to.throw('not a final text frame')
  })
})

describe("a client's frame", () => {
  it('is final and masked', () => {
    expect([...clientFrame('hi')]).to.deep.equal([0x81, 0x82, 1, 2, 3, 4, 0x68 ^ 1, 0x69 ^ 2])
  })

  it('has its length in 2 or 8 bytes when one is not enough', () => {
    const heads = [125, 126, 65_535, 65_536].map((size) => clientFrame('x'.repeat(size), { masked: false }))
    expect(heads.map((frame) => [...frame.subarray(1, frame.indexOf('x'))])).to.deep.equal([
      [125],
      [126, 0, 126],
      [126, 255, 255],
      [127, 0, 0, 0, 0, 0, 1, 0, 0],
    ])
  })
})
