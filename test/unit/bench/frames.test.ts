import { expect } from 'chai'
import { clientFrame, FrameReader, TEXT } from '../../bench/load/frames.js'

/** A server's frame with its payload's length in the form that it needs. */
function serverFrame(opcode: number, payload: string): Buffer {
  const data = Buffer.from(payload)
  if (data.length < 126) return Buffer.concat([Buffer.of(0x80 | opcode, data.length), data])
  const short = data.length < 65_536
  const head = Buffer.alloc(short ? 4 : 10)
  head[0] = 0x80 | opcode
  head[1] = short ? 126 : 127
  if (short) head.writeUInt16BE(data.length, 2)
  else head.writeBigUInt64BE(BigInt(data.length), 2)
  return Buffer.concat([head, data])
}

function reading(): { reader: FrameReader; seen: [number, string][] } {
  const seen: [number, string][] = []
  const reader = new FrameReader((opcode, bytes, from, to) => {
    seen.push([opcode, bytes.toString('latin1', from, to)])
  })
  return { reader, seen }
}

describe("the bench's frame reader", () => {
  const shorts = ['', 'a', 'b'.repeat(125), 'c'.repeat(126), 'd'.repeat(450)]
  const all = [...shorts, 'e'.repeat(70_000), 'f']
  const streamOf = (payloads: readonly string[]) => {
    return Buffer.concat([...payloads.map((each) => serverFrame(TEXT, each)), serverFrame(9, 'ping')])
  }
  const expectedOf = (payloads: readonly string[]) => [...payloads.map((each) => [TEXT, each]), [9, 'ping']]

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
    reader.push(serverFrame(TEXT, 'abc').subarray(0, 4))
    expect(seen).to.deep.equal([])
  })
})

describe("a client's frame of the bench", () => {
  it('is final and masked with zeros', () => {
    expect([...clientFrame(TEXT, 'hi')]).to.deep.equal([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69])
  })

  it('is short', () => {
    expect(() => clientFrame(TEXT, 'x'.repeat(126))).to.throw(RangeError)
  })
})
