/** What an op costs in memory beside its text, which is a few bytes. */
const OP_OVERHEAD_BYTES = 64
/** From so many on the socket is not read. */
const PAUSE_OPS = 64
const PAUSE_BYTES = 64 * 1024
/** Beyond it the client is closed. What one read of a socket can still add after the pause lies well below. */
const QUEUE_BYTES_MAX = 2 * 1024 * 1024

/** A frame of the client: its text, or null for a binary one. */
export type Frame = string | null

/** Stands for all empty queues; never written to. */
const NO_FRAMES: Frame[] = []

/** Holds a client's frames until their turn, in order, bounded. */
export class FrameQueue {
  private frames: Frame[] = NO_FRAMES
  private head = 0
  private bytes = 0

  get length(): number {
    return this.frames.length - this.head
  }

  /** Whether the socket should not be read until the queue is empty. */
  get full(): boolean {
    return this.length >= PAUSE_OPS || this.bytes >= PAUSE_BYTES
  }

  /** Appends a frame; false when there is no room for it at all. */
  push(frame: Frame): boolean {
    this.bytes += sizeOf(frame)
    if (this.bytes > QUEUE_BYTES_MAX) return false
    if (this.frames === NO_FRAMES) this.frames = [frame]
    else this.frames.push(frame)
    return true
  }

  /** Takes the oldest frame, or undefined when there is none. */
  shift(): Frame | undefined {
    if (this.length === 0) return undefined
    const frame = this.frames[this.head] as Frame
    this.head += 1
    this.bytes -= sizeOf(frame)
    if (this.length === 0) this.clear()
    return frame
  }

  some(test: (frame: Frame) => boolean): boolean {
    return this.frames.slice(this.head).some(test)
  }

  clear(): void {
    this.frames = NO_FRAMES
    this.head = 0
    this.bytes = 0
  }
}

function sizeOf(frame: Frame): number {
  return OP_OVERHEAD_BYTES + (frame === null ? 0 : frame.length * 2)
}
