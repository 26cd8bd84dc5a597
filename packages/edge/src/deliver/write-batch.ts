import type { FrameBytes } from './frame.js'

/** Frames up to this size are copied together; larger ones are written as they are. */
const JOIN_BYTES_MAX = 64 * 1024

/**
 * Collects a sequence of frames that waits to be written, shared by every socket that is to get exactly this
 * sequence: equal batches extended by the same frame are the same batch, so its bytes are joined once.
 */
export class WriteBatch {
  readonly parent: WriteBatch | null
  readonly frame: Uint8Array | null
  private lastChild: WriteBatch | null = null
  private joined: readonly Uint8Array[] | null = null

  private constructor(parent: WriteBatch | null, frame: Uint8Array | null) {
    this.parent = parent
    this.frame = frame
  }

  static empty(): WriteBatch {
    return new WriteBatch(null, null)
  }

  /** Returns this batch and `frame`, which others are likely to get next as well. */
  withShared(frame: Uint8Array): WriteBatch {
    const known = this.lastChild
    if (known !== null && known.frame === frame) return known
    return (this.lastChild = new WriteBatch(this, frame))
  }

  /** Returns this batch and `frame`, which is for one receiver only. */
  withOwn(frame: Uint8Array): WriteBatch {
    return new WriteBatch(this, frame)
  }

  /** Returns the bytes to write, in as few pieces as pays off. What is copied for it counts in `bytes`. */
  chunks(bytes: FrameBytes): readonly Uint8Array[] {
    return (this.joined ??= join(framesOf(this), bytes))
  }
}

function framesOf(batch: WriteBatch): Uint8Array[] {
  const frames: Uint8Array[] = []
  for (let at: WriteBatch | null = batch; at?.frame != null; at = at.parent) frames.push(at.frame)
  return frames.reverse()
}

function join(frames: readonly Uint8Array[], copied: FrameBytes): readonly Uint8Array[] {
  if (frames.length < 2) return frames
  const pieces: Uint8Array[] = []
  let group: Uint8Array[] = []
  let bytes = 0
  const finishGroup = () => {
    const [only] = group
    if (group.length > 1) {
      pieces.push(Buffer.concat(group, bytes))
      copied.made += bytes
    } else if (only !== undefined) pieces.push(only)
    group = []
    bytes = 0
  }
  for (const frame of frames) {
    if (bytes + frame.length > JOIN_BYTES_MAX) finishGroup()
    group.push(frame)
    bytes += frame.length
  }
  finishGroup()
  return pieces
}
