/** The frames of WebSocket (RFC 6455) for whatever speaks it on raw TCP. */

/** Called for each whole frame of a server; the payload is `bytes` from `from` up to `to`, valid until it returns. */
export type OnFrame = (kind: number, bytes: Buffer, from: number, to: number) => void

/** Kinds of frame by their first byte: final, without reserved bits. */
export const TEXT = 0x81
export const CLOSE = 0x88
export const PING = 0x89

export const PING_OPCODE = 9
export const PONG_OPCODE = 10

const EMPTY = Buffer.alloc(0)
const LENGTH_16 = 126
const LENGTH_64 = 127
const MASK = Buffer.from([1, 2, 3, 4])

/** Cuts a server's bytes into frames, however they arrive. Nothing is copied but an incomplete frame. */
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
      this.onFrame(bytes[at]!, bytes, from, from + length)
      at = from + length
    }
    // A copy: the chunk's memory is used for the next read.
    this.rest = at === bytes.length ? EMPTY : Buffer.from(bytes.subarray(at))
  }
}

/** The texts of a server's frames; throws when one is not a final text frame. */
export function textsOf(bytes: Buffer): string[] {
  const texts: string[] = []
  new FrameReader((kind, payload, from, to) => {
    if (kind !== TEXT) throw new Error(`not a final text frame: ${kind}`)
    texts.push(payload.toString('utf8', from, to))
  }).push(bytes)
  return texts
}

/** The code of a close frame; 1005 when it has none. */
export function closeCodeOf(bytes: Buffer, from: number, to: number): number {
  return to - from >= 2 ? bytes.readUInt16BE(from) : 1005
}

/** A client's frame, masked as it has to be. */
export function clientFrame(
  payload: string | Uint8Array,
  { opcode = 1, fin = true, masked = true, rsv = 0 } = {},
): Buffer {
  const body = Buffer.from(payload as Uint8Array)
  const head = Buffer.from([(fin ? 0x80 : 0) | (rsv << 4) | opcode, ...lengthOf(body)])
  if (!masked) return Buffer.concat([head, body])
  head[1] = head[1]! | 0x80
  for (let i = 0; i < body.length; i++) body[i] = body[i]! ^ MASK[i % 4]!
  return Buffer.concat([head, MASK, body])
}

function lengthOf({ length }: Buffer): Buffer {
  if (length < LENGTH_16) return Buffer.of(length)
  const bytes = Buffer.alloc(length < 1 << 16 ? 3 : 9, length < 1 << 16 ? LENGTH_16 : LENGTH_64)
  if (length < 1 << 16) bytes.writeUInt16BE(length, 1)
  else bytes.writeBigUInt64BE(BigInt(length), 1)
  return bytes
}
