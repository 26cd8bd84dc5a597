import { EVENT_PREFIX, EVENT_SUFFIX } from '@wazo-websocketd/shared/domain/codec'
import type { BusEvent } from '@wazo-websocketd/shared/domain/event'
import type { ProtocolVersion } from '@wazo-websocketd/shared/domain/protocol'
import { frameText } from './frame.js'
import type { ClientSocket, SessionMetrics } from './ports.js'
import { Run } from './run.js'

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
}

const encoder = new TextEncoder()
const PREFIX = encoder.encode(EVENT_PREFIX)
const SUFFIX = encoder.encode(EVENT_SUFFIX)

interface Tally {
  readonly receivedAt: number
  receivers: number
}

/**
 * Collects the frames of one tick per socket and writes them together, in order. An event is framed once
 * per protocol version, and every receiver is given the same bytes.
 */
export class Outbox {
  private readonly options: OutboxOptions
  /** Number of the tick, from 1. */
  private turn = 1
  private sockets: ClientSocket[] = []
  /** What waits for each socket; null: it has been written. */
  private runs: (Run | null)[] = []
  private tallies: Tally[] = []
  private scheduled = false
  private emptyRuns = freshRuns()
  private event: BusEvent | null = null
  private tally: Tally = { receivedAt: 0, receivers: 0 }
  private frames: [Uint8Array | null, Uint8Array | null] = [null, null]
  private readonly flushed = () => this.flush()

  constructor(options: OutboxOptions) {
    this.options = options
  }

  /** Queues an event. Called once per receiver, event by event. */
  deliver(sink: Sink, event: BusEvent): void {
    if (event !== this.event) this.take(event)
    this.tally.receivers += 1
    this.share(sink, this.frameFor(sink.version, event))
  }

  /** Queues a frame that many sinks get; a frame of its own for every sink would go to `send`. */
  share(sink: Sink, frame: Uint8Array): void {
    const place = this.placeOf(sink)
    this.runs[place] = (this.runs[place] ?? this.emptyRun(sink)).shared(frame)
  }

  /** Queues a frame for this sink alone. */
  send(sink: Sink, frame: Uint8Array): void {
    const place = this.placeOf(sink)
    this.runs[place] = (this.runs[place] ?? this.emptyRun(sink)).own(frame)
  }

  /** Writes what waits for one sink at once: before its socket is closed. */
  flushSink(sink: Sink): void {
    if (sink.turn !== this.turn) return
    const run = this.runs[sink.place] ?? null
    this.runs[sink.place] = null
    if (run !== null) sink.socket.sendFrames(run.pieces())
  }

  private take(event: BusEvent): void {
    this.event = event
    this.frames = [null, null]
    this.tally = { receivedAt: event.receivedAt, receivers: 0 }
    this.tallies.push(this.tally)
    this.schedule()
  }

  private frameFor(version: ProtocolVersion, event: BusEvent): Uint8Array {
    if (version === 1) return (this.frames[0] ??= frameText(event.body))
    return (this.frames[1] ??= frameText(PREFIX, event.body, SUFFIX))
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
    const { sockets, runs, tallies } = this
    this.scheduled = false
    this.turn++
    this.sockets = []
    this.runs = []
    this.tallies = []
    this.event = null
    this.frames = [null, null]
    this.emptyRuns = freshRuns()
    for (let place = 0; place < sockets.length; place++) {
      const run = runs[place] ?? null
      if (run !== null) sockets[place]?.sendFrames(run.pieces())
    }
    const now = this.options.now()
    // Clocks of two hosts: an event can seem to arrive before it was sent.
    for (const { receivers, receivedAt } of tallies)
      this.options.metrics.delivered(receivers, Math.max(0, now - receivedAt))
  }
}

/** One per version: sinks of different versions never share a run. */
function freshRuns(): readonly [Run, Run] {
  return [Run.empty(), Run.empty()]
}
