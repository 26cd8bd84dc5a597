/** WebSocket text frames of a server: final, unmasked, uncompressed (RFC 6455, section 5.2). */

const FINAL_TEXT = 0x81
const LENGTH_16 = 126
const LENGTH_64 = 127

const encoder = new TextEncoder()

/** Returns one complete text frame whose payload is `parts`, one after the other. They must be valid UTF-8. */
export function frameText(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of parts) length += part.length
  const headerBytes = length < LENGTH_16 ? 2 : length < 0x10000 ? 4 : 10
  const frame = Buffer.allocUnsafe(headerBytes + length)
  frame[0] = FINAL_TEXT
  if (headerBytes === 2) frame[1] = length
  else if (headerBytes === 4) {
    frame[1] = LENGTH_16
    frame.writeUInt16BE(length, 2)
  } else {
    frame[1] = LENGTH_64
    frame.writeUInt32BE(Math.floor(length / 2 ** 32), 2)
    frame.writeUInt32BE(length % 2 ** 32, 6)
  }
  let at = headerBytes
  for (const part of parts) {
    frame.set(part, at)
    at += part.length
  }
  return frame
}

/** Returns one complete text frame of `text`. */
export function frameString(text: string): Uint8Array {
  return frameText(encoder.encode(text))
}

/**
 * Counts the bytes of frames that a worker has made; those that several sockets share count once. Both numbers only
 * rise.
 */
export class FrameBytes {
  made = 0
  /** Of these, the bytes made before the frames which wait to be written now. */
  flushed = 0
}
