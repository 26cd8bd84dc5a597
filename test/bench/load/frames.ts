/** Called for each whole frame of a server; the payload is `bytes` from `from` up to `to`, valid until it returns. */
export type OnFrame = (opcode: number, bytes: Buffer, from: number, to: number) => void

export const TEXT = 1
export const CLOSE = 8
export const PING = 9

const EMPTY = Buffer.alloc(0)
const LENGTH_16 = 126
const LENGTH_64 = 127

/** Cuts a server's bytes into frames (RFC 6455, unmasked), however they arrive. Nothing is copied but an incomplete frame. */
export class FrameReader {
  private readonly onFrame: OnFrame
  private rest: Buffer = EMPTY

  constructor(onFrame: OnFrame) {
    this.onFrame = onFrame
  }

  /** Takes bytes that need not stay after the call. */
  push(chunk: Buffer): void {
    const bytes = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk])
    let at = 0
    while (bytes.length - at >= 2) {
      const short = bytes[at + 1]! & 0x7f
      const head = short === LENGTH_16 ? 4 : short === LENGTH_64 ? 10 : 2
      if (bytes.length - at < head) break
      const length =
        short === LENGTH_16
          ? bytes.readUInt16BE(at + 2)
          : short === LENGTH_64
            ? Number(bytes.readBigUInt64BE(at + 2))
            : short
      const from = at + head
      if (bytes.length - from < length) break
      this.onFrame(bytes[at]! & 0x0f, bytes, from, from + length)
      at = from + length
    }
    // A copy: the chunk's memory is used for the next read.
    this.rest = at === bytes.length ? EMPTY : Buffer.from(bytes.subarray(at))
  }
}

/** A client's frame. The mask is zero, which is allowed and leaves the payload as it is. */
export function clientFrame(opcode: number, payload: string | Buffer = EMPTY): Buffer {
  const data = Buffer.from(payload)
  if (data.length >= LENGTH_16) throw new RangeError('a client of the bench sends short frames only')
  return Buffer.concat([Buffer.of(0x80 | opcode, 0x80 | data.length, 0, 0, 0, 0), data])
}
