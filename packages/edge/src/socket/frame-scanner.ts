/** Opcodes (RFC 6455, section 5.2) from here on are those of control frames. */
const FIRST_CONTROL_OPCODE = 8
const CLOSE_OPCODE = 8
const OPCODE_BITS = 0x0f
const LENGTH_BITS = 0x7f
const MASK_BIT = 0x80
const MASK_BYTES = 4
/** Values of the short length that stand for a length of their own in so many bytes. */
const LENGTH_16 = 126
const LENGTH_64 = 127

type Stage = 'opcode' | 'short-length' | 'long-length' | 'payload'

/**
 * Finds where the frames of a client begin and end (RFC 6455, section 5.2), without reading their payload. It does not
 * judge them: the parser that follows does. A faulty frame has some end here all the same.
 */
export class FrameScanner {
  private stage: Stage = 'opcode'
  private opcode = 0
  private masked = false
  /** Bytes of the long length that are still to come. */
  private lengthBytes = 0
  /** Of the mask and the payload: bytes that are still to come. */
  private left = 0

  /** Whether the next byte begins a frame. */
  get between(): boolean {
    return this.stage === 'opcode'
  }

  /** Whether the frame that was met last is a control frame. */
  get isControl(): boolean {
    return this.opcode >= FIRST_CONTROL_OPCODE
  }

  /** Whether the frame that was met last is a close frame. */
  get isClose(): boolean {
    return this.opcode === CLOSE_OPCODE
  }

  /** Reads on from `at` to the end of one frame, or of `chunk`; returns where that is. */
  advance(chunk: Uint8Array, at: number): number {
    let next = at
    while (next < chunk.length) {
      if (this.stage === 'payload') return this.skip(chunk, next)
      this.header(chunk[next] as number)
      next += 1
      if (this.isEmpty) return this.end(next)
    }
    return next
  }

  /** Whether the frame has a header and nothing else. */
  private get isEmpty(): boolean {
    return this.stage === 'payload' && this.left === 0
  }

  private skip(chunk: Uint8Array, from: number): number {
    const taken = Math.min(this.left, chunk.length - from)
    this.left -= taken
    return this.left === 0 ? this.end(from + taken) : from + taken
  }

  private end(at: number): number {
    this.stage = 'opcode'
    return at
  }

  private header(byte: number): void {
    switch (this.stage) {
      case 'opcode':
        this.opcode = byte & OPCODE_BITS
        this.stage = 'short-length'
        break
      case 'short-length':
        this.masked = (byte & MASK_BIT) !== 0
        this.shortLength(byte & LENGTH_BITS)
        break
      default:
        this.left = this.left * 256 + byte
        this.lengthBytes -= 1
        if (this.lengthBytes === 0) this.payload(this.left)
    }
  }

  private shortLength(length: number): void {
    if (length < LENGTH_16) {
      this.payload(length)
      return
    }
    this.lengthBytes = length === LENGTH_64 ? 8 : 2
    this.left = 0
    this.stage = 'long-length'
  }

  private payload(length: number): void {
    this.left = length + (this.masked ? MASK_BYTES : 0)
    this.stage = 'payload'
  }
}
