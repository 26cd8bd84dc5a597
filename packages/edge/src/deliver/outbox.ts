import {
  EVENT_PREFIX,
  EVENT_SUFFIX,
  positionedEventPrefix,
  type ProtocolVersion,
} from '@wazo-websocketd/shared/domain/protocol'
import type { BusEvent } from '@wazo-websocketd/shared/domain/event'
import { frameText, type FrameBytes } from './frame.js'
import type { ClientSocket } from '../session/ports.js'
import type { DeliverMetrics } from './metrics.js'
import { WriteBatch } from './write-batch.js'

/** Names the position at which a receiver stands once it has been given an event. */
export interface EventPositions {
  idOf(event: BusEvent): string
}

/**
 * A receiver of frames. `flushId` and `flushIndex`, 0 at first, are written by the outbox alone: what waits for the
 * target is at `flushIndex` as long as `flushId` is the outbox's. Numbers, so that no target has to be visited when
 * its frames have been written.
 */
export interface FrameTarget {
  readonly version: ProtocolVersion
  /** Names the positions that its events carry; null: they carry none. */
  readonly positions: EventPositions | null
  readonly socket: ClientSocket
  flushId: number
  flushIndex: number
}

export interface OutboxOptions {
  /** Runs a task once the present read of Redis or of a client has been handled: `process.nextTick`. */
  readonly defer: (task: () => void) => void
  /** Unix time in milliseconds. */
  readonly now: () => number
  readonly metrics: DeliverMetrics
  readonly frameBytes: FrameBytes
}

const encoder = new TextEncoder()
const PREFIX = encoder.encode(EVENT_PREFIX)
const SUFFIX = encoder.encode(EVENT_SUFFIX)
/** Index of the batches of targets with positions, after those of versions 1 and 2. */
const POSITIONED = 2

/** An event of this tick: its frames by version, and the number of its receivers. */
interface FramedEvent {
  readonly event: BusEvent
  first: Uint8Array | null
  second: Uint8Array | null
  /** With its position, which is the same for most receivers; null: nobody has asked. */
  positioned: Map<string, Uint8Array> | null
  receivers: number
}

/**
 * Collects the frames of one tick per socket and writes them together, in order. An event is framed once per protocol
 * version, and every receiver is given the same bytes, also where sessions read the log one after the other.
 */
export class Outbox {
  private readonly options: OutboxOptions
  /** Numbers the ticks, from 1. */
  private flushId = 1
  private sockets: ClientSocket[] = []
  /** What waits for each socket; null: written already. */
  private batches: (WriteBatch | null)[] = []
  private framed = new Map<BusEvent, FramedEvent>()
  private scheduled = false
  private emptyBatches = freshBatches()
  private current: FramedEvent | null = null
  private readonly flushed = () => this.flush()

  constructor(options: OutboxOptions) {
    this.options = options
  }

  /** Queues an event. Called once per receiver, event by event. */
  deliver(target: FrameTarget, event: BusEvent): void {
    const { current } = this
    const framed = current !== null && current.event === event ? current : this.beginEvent(event)
    framed.receivers += 1
    const { version, positions } = target
    if (positions === null)
      this.sendShared(
        target,
        (version === 1 ? framed.first : framed.second) ?? this.frameEvent(version, framed),
      )
    else this.sendShared(target, this.positionedFrame(positions.idOf(event), framed))
  }

  /** Queues a frame that many targets get; one that is for a single target goes to `send`. */
  sendShared(target: FrameTarget, frame: Uint8Array): void {
    const index = this.indexOf(target)
    this.batches[index] = (this.batches[index] ?? this.emptyBatch(target)).withShared(frame)
  }

  /** Queues a frame for this target alone. */
  send(target: FrameTarget, frame: Uint8Array): void {
    this.options.frameBytes.made += frame.length
    const index = this.indexOf(target)
    this.batches[index] = (this.batches[index] ?? this.emptyBatch(target)).withOwn(frame)
  }

  /** Writes what waits for one target at once: before its socket is closed. */
  flushTarget(target: FrameTarget): void {
    if (target.flushId !== this.flushId) return
    const batch = this.batches[target.flushIndex] ?? null
    this.batches[target.flushIndex] = null
    if (batch !== null) target.socket.sendFrames(batch.chunks(this.options.frameBytes))
  }

  private beginEvent(event: BusEvent): FramedEvent {
    let framed = this.framed.get(event)
    if (framed === undefined) {
      framed = { event, first: null, second: null, positioned: null, receivers: 0 }
      this.framed.set(event, framed)
      this.schedule()
    }
    return (this.current = framed)
  }

  private frameEvent(version: ProtocolVersion, framed: FramedEvent): Uint8Array {
    const { body } = framed.event
    const frame = version === 1 ? frameText(body) : frameText(PREFIX, body, SUFFIX)
    if (version === 1) framed.first = frame
    else framed.second = frame
    this.options.frameBytes.made += frame.length
    return frame
  }

  private positionedFrame(id: string, framed: FramedEvent): Uint8Array {
    const frames = (framed.positioned ??= new Map<string, Uint8Array>())
    let frame = frames.get(id)
    if (frame === undefined) {
      frame = frameText(encoder.encode(positionedEventPrefix(id)), framed.event.body, SUFFIX)
      frames.set(id, frame)
      this.options.frameBytes.made += frame.length
    }
    return frame
  }

  private indexOf(target: FrameTarget): number {
    if (target.flushId === this.flushId) return target.flushIndex
    target.flushId = this.flushId
    target.flushIndex = this.sockets.length
    this.sockets.push(target.socket)
    this.batches.push(null)
    this.schedule()
    return target.flushIndex
  }

  private emptyBatch({ version, positions }: FrameTarget): WriteBatch {
    return this.emptyBatches[positions === null ? version - 1 : POSITIONED] as WriteBatch
  }

  private schedule(): void {
    if (this.scheduled) return
    this.scheduled = true
    this.options.defer(this.flushed)
  }

  private flush(): void {
    const { sockets, batches, framed } = this
    const { frameBytes, metrics } = this.options
    this.scheduled = false
    this.flushId++
    this.sockets = []
    this.batches = []
    if (framed.size > 0) this.framed = new Map()
    this.current = null
    this.emptyBatches = freshBatches()
    for (let index = 0; index < sockets.length; index++) {
      const batch = batches[index] ?? null
      if (batch !== null) sockets[index]?.sendFrames(batch.chunks(frameBytes))
    }
    frameBytes.flushed = frameBytes.made
    const now = this.options.now()
    // Clocks of two hosts: an event can seem to arrive before it was sent.
    for (const { receivers, event } of framed.values())
      metrics.delivered(receivers, Math.max(0, now - event.receivedAt))
  }
}

/** One per version, and one for targets with positions: these never share a batch. */
function freshBatches(): readonly WriteBatch[] {
  return [WriteBatch.empty(), WriteBatch.empty(), WriteBatch.empty()]
}
