import { EVENT_PREFIX, EVENT_SUFFIX, type ProtocolVersion } from '@wazo-websocketd/shared/domain/protocol'
import type { BusEvent } from '@wazo-websocketd/shared/domain/event'
import { frameText, type FrameBytes } from './frame.js'
import type { ClientSocket, SessionMetrics } from '../session/ports.js'
import { Run } from './write-batch.js'

/**
 * A receiver of frames. `turn` and `place`, 0 at first, belong to the outbox: what waits for it is at `place` as long as
 * `turn` is the outbox's. Two numbers, so that nothing has to be done to a receiver when its frames have been written.
 */
export interface Sink {
  readonly version: ProtocolVersion
  readonly socket: ClientSocket
  turn: number
  place: number
}

export interface OutboxOptions {
  /** Runs a task once the present read of Redis or of a client has been worked off: `process.nextTick`. */
  readonly soon: (task: () => void) => void
  /** Unix time in milliseconds. */
  readonly now: () => number
  readonly metrics: Pick<SessionMetrics, 'delivered'>
  readonly frameBytes: FrameBytes
}

const encoder = new TextEncoder()
const PREFIX = encoder.encode(EVENT_PREFIX)
const SUFFIX = encoder.encode(EVENT_SUFFIX)

/** An event of this tick: its frames by version, and how many have got it. */
interface Framed {
  readonly event: BusEvent
  first: Uint8Array | null
  second: Uint8Array | null
  receivers: number
}

/**
 * Collects the frames of one tick per socket and writes them together, in order. An event is framed once
 * per protocol version, and every receiver is given the same bytes, also where sessions read the log one after the other.
 */
export class Outbox {
  private readonly options: OutboxOptions
  /** Number of the tick, from 1. */
  private turn = 1
  private sockets: ClientSocket[] = []
  /** What waits for each socket; null: it has been written. */
  private runs: (Run | null)[] = []
  private framed = new Map<BusEvent, Framed>()
  private scheduled = false
  private emptyRuns = freshRuns()
  private current: Framed | null = null
  private readonly flushed = () => this.flush()

  constructor(options: OutboxOptions) {
    this.options = options
  }

  /** Queues an event. Called once per receiver, event by event. */
  deliver(sink: Sink, event: BusEvent): void {
    const { current } = this
    const framed = current !== null && current.event === event ? current : this.take(event)
    framed.receivers += 1
    this.share(sink, (sink.version === 1 ? framed.first : framed.second) ?? this.frame(sink.version, framed))
  }

  /** Queues a frame that many sinks get; a frame of its own for every sink would go to `send`. */
  share(sink: Sink, frame: Uint8Array): void {
    const place = this.placeOf(sink)
    this.runs[place] = (this.runs[place] ?? this.emptyRun(sink)).shared(frame)
  }

  /** Queues a frame for this sink alone. */
  send(sink: Sink, frame: Uint8Array): void {
    this.options.frameBytes.made += frame.length
    const place = this.placeOf(sink)
    this.runs[place] = (this.runs[place] ?? this.emptyRun(sink)).own(frame)
  }

  /** Writes what waits for one sink at once: before its socket is closed. */
  flushSink(sink: Sink): void {
    if (sink.turn !== this.turn) return
    const run = this.runs[sink.place] ?? null
    this.runs[sink.place] = null
    if (run !== null) sink.socket.sendFrames(run.pieces(this.options.frameBytes))
  }

  private take(event: BusEvent): Framed {
    let framed = this.framed.get(event)
    if (framed === undefined) {
      framed = { event, first: null, second: null, receivers: 0 }
      this.framed.set(event, framed)
      this.schedule()
    }
    return (this.current = framed)
  }

  private frame(version: ProtocolVersion, framed: Framed): Uint8Array {
    const { body } = framed.event
    const frame = version === 1 ? frameText(body) : frameText(PREFIX, body, SUFFIX)
    if (version === 1) framed.first = frame
    else framed.second = frame
    this.options.frameBytes.made += frame.length
    return frame
  }

  private placeOf(sink: Sink): number {
    if (sink.turn === this.turn) return sink.place
    sink.turn = this.turn
    sink.place = this.sockets.length
    this.sockets.push(sink.socket)
    this.runs.push(null)
    this.schedule()
    return sink.place
  }

  private emptyRun({ version }: Sink): Run {
    return this.emptyRuns[version - 1] as Run
  }

  private schedule(): void {
    if (this.scheduled) return
    this.scheduled = true
    this.options.soon(this.flushed)
  }

  private flush(): void {
    const { sockets, runs, framed } = this
    const { frameBytes, metrics } = this.options
    this.scheduled = false
    this.turn++
    this.sockets = []
    this.runs = []
    if (framed.size > 0) this.framed = new Map()
    this.current = null
    this.emptyRuns = freshRuns()
    for (let place = 0; place < sockets.length; place++) {
      const run = runs[place] ?? null
      if (run !== null) sockets[place]?.sendFrames(run.pieces(frameBytes))
    }
    frameBytes.flushed = frameBytes.made
    const now = this.options.now()
    // Clocks of two hosts: an event can seem to arrive before it was sent.
    for (const { receivers, event } of framed.values())
      metrics.delivered(receivers, Math.max(0, now - event.receivedAt))
  }
}

/** One per version: sinks of different versions never share a run. */
function freshRuns(): readonly [Run, Run] {
  return [Run.empty(), Run.empty()]
}
