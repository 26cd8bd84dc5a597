/** The old worker's end: sends its connections to the successor, a bounded number at a time. */
import type { Clock, Timer } from '@wazo-websocketd/shared/runtime/clock'
import type { HandleChannel } from './channel.js'
import { parseHandoverOrder, IN_FLIGHT_MAX } from './messages.js'
import type { TcpHandle } from '../socket/detach/ws-internals.js'

/** A connection that has been released, and the session that goes with it. */
export interface HandoverPayload {
  readonly handle: TcpHandle
  readonly head: Uint8Array
  /** Must be JSON. */
  readonly state: unknown
  /** It is the successor's now. */
  moved(): void
  /** It is still this worker's. */
  restore(): void
}

/** Why it cannot be released, and whether it may be in a moment. */
export interface HandoverRefusal {
  readonly reason: string
  readonly transient: boolean
}

/** A connection that is to leave. */
export interface HandoverCandidate {
  /** Releases the connection and takes down the session's state in the same tick, or says why it cannot. */
  release(): HandoverPayload | HandoverRefusal
}

/** How it went: `moved`, an obstacle's reason, a `ReturnReason`, or `given-up`. */
export type HandoverResult = string

export interface HandoverSenderOptions {
  readonly channel: HandleChannel
  readonly clock: Clock
  /** Milliseconds for which a connection is asked again when what is in its way may pass. */
  readonly patienceMs?: number
  /** Milliseconds without an answer of the primary after which it is asked to decide. */
  readonly answerWithinMs?: number
}

const PATIENCE_MS = 500
const AGAIN_MS = 10
/** A successor refuses also when it cannot serve for a moment; it is asked again so often, so much later. */
const REFUSALS_MAX = 4
const REFUSED_AGAIN_MS = 500
/** More than what the primary allows the successor. */
const ANSWER_WITHIN_MS = 10_000

interface PendingHandover {
  readonly departing: HandoverCandidate
  readonly done: (how: HandoverResult) => void
  /** When patience ends; null: not tried yet. */
  deadline: number | null
  /** How often the successor has refused it. */
  refusals: number
}

interface InFlight {
  readonly cargo: HandoverPayload
  readonly waiting: PendingHandover
  readonly timer: Timer
}

export class HandoverSender {
  private readonly options: HandoverSenderOptions
  private readonly inFlight = new Map<number, InFlight>()
  /** First come, first served, as a Set keeps it. */
  private readonly queue = new Set<PendingHandover>()
  private readonly delayed = new Map<PendingHandover, Timer>()
  private givenUp = false
  private lastId = 0

  constructor(options: HandoverSenderOptions) {
    this.options = options
    options.channel.onMessage((message) => {
      const order = parseHandoverOrder(message)
      if (order?.kind === 'transfer-moved') this.decided(order.id, 'moved')
      else if (order?.kind === 'transfer-returned') this.decided(order.id, order.reason)
    })
  }

  /** Resolves with how it went, never rejects; all may be asked for at once. */
  send(departing: HandoverCandidate): Promise<HandoverResult> {
    return new Promise((done) => {
      if (this.givenUp) {
        done('given-up')
        return
      }
      this.queue.add({ departing, done, deadline: null, refusals: 0 })
      this.next()
    })
  }

  /** What has not been released stays (`given-up`); what is on its way is decided as ever. Idempotent. */
  giveUp(): void {
    this.givenUp = true
    for (const timer of this.delayed.values()) timer.cancel()
    const all = [...this.queue, ...this.delayed.keys()]
    this.queue.clear()
    this.delayed.clear()
    for (const { done } of all) done('given-up')
  }

  private next(): void {
    for (const waiting of this.queue) {
      if (this.inFlight.size >= IN_FLIGHT_MAX) return
      this.queue.delete(waiting)
      this.attempt(waiting)
    }
  }

  private attempt(waiting: PendingHandover): void {
    const { clock, patienceMs = PATIENCE_MS } = this.options
    const released = waiting.departing.release()
    if (!('transient' in released)) {
      this.dispatch(released, waiting)
      return
    }
    waiting.deadline ??= clock.monotonic() + patienceMs
    if (!released.transient || clock.monotonic() >= waiting.deadline) {
      waiting.done(released.reason)
      return
    }
    this.retryLater(waiting, AGAIN_MS)
  }

  /** It waits beside the queue, so that it keeps nobody from leaving. */
  private retryLater(waiting: PendingHandover, ms: number): void {
    const timer = this.options.clock.after(ms, () => {
      this.delayed.delete(waiting)
      this.queue.add(waiting)
      this.next()
    })
    this.delayed.set(waiting, timer)
  }

  private dispatch(cargo: HandoverPayload, waiting: PendingHandover): void {
    const { channel, clock, answerWithinMs = ANSWER_WITHIN_MS } = this.options
    const id = (this.lastId += 1)
    // Not taken back without asking: the primary may have decided already.
    const timer = clock.after(answerWithinMs, () =>
      channel.send({ kind: 'transfer-withdraw', id }, null, () => this.decided(id, 'no-primary')),
    )
    this.inFlight.set(id, { cargo, waiting, timer })
    const head = Buffer.from(cargo.head).toString('base64')
    channel.send({ kind: 'transfer-offer', id, head, state: cargo.state }, cargo.handle, () =>
      this.decided(id, 'no-primary'),
    )
  }

  private decided(id: number, how: HandoverResult): void {
    const entry = this.inFlight.get(id)
    if (entry === undefined) return
    this.inFlight.delete(id)
    const { cargo, waiting, timer } = entry
    timer.cancel()
    if (how === 'moved') cargo.moved()
    else cargo.restore()
    if (how === 'successor-refused' && !this.givenUp && ++waiting.refusals < REFUSALS_MAX)
      this.retryLater(waiting, REFUSED_AGAIN_MS)
    else waiting.done(how)
    this.next()
  }
}
