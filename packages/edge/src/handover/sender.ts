/** The old worker's end: sends its connections to the successor, a bounded number at a time. */
import type { Clock, Timer } from '@wazo-websocketd/shared/runtime/clock'
import type { TcpHandle } from '../socket/detach/ws-internals.js'
import type { HandleChannel } from './channel.js'
import { IN_FLIGHT_MAX, parseHandoverOrder } from './messages.js'
import type { HandoverResult } from './result.js'

/** A connection that has been released, and the state of its session. */
export interface HandoverPayload {
  readonly handle: TcpHandle
  readonly head: Uint8Array
  /** Must be JSON. */
  readonly state: unknown
  /** The connection is the successor's now. */
  moved(): void
  /** The connection is still this worker's. */
  restore(): void
}

/** Why a connection cannot be released, and whether it may be in a moment. */
export interface HandoverRefusal {
  readonly reason: HandoverResult
  readonly transient: boolean
}

/** Releases a connection and takes down its session's state in the same tick, or says why it cannot. */
export type ReleaseConnection = () => HandoverPayload | HandoverRefusal

export interface HandoverSenderOptions {
  readonly channel: HandleChannel
  readonly clock: Clock
  /** Milliseconds for which a connection is asked again when its obstacle is transient. */
  readonly patienceMs?: number
  /** Milliseconds without an answer of the primary after which it is asked to decide. */
  readonly answerWithinMs?: number
}

const PATIENCE_MS = 500
const RELEASE_RETRY_MS = 10
/** A successor also refuses when it cannot serve for a moment; it is asked again so often, so much later. */
const REFUSALS_MAX = 4
const REFUSED_RETRY_MS = 500
/** More than what the primary allows the successor. */
const ANSWER_WITHIN_MS = 10_000

interface PendingHandover {
  readonly release: ReleaseConnection
  readonly done: (result: HandoverResult) => void
  /** When patience ends; null: not tried yet. */
  deadline: number | null
  /** How often the successor has refused it. */
  refusals: number
}

interface InFlight {
  readonly payload: HandoverPayload
  readonly pending: PendingHandover
  readonly timer: Timer
}

/** Sends connections to the successor, a bounded number at a time; tries again for a moment what cannot leave now. */
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

  /** Resolves with the result, never rejects; all connections may be sent at once. */
  send(release: ReleaseConnection): Promise<HandoverResult> {
    return new Promise((done) => {
      if (this.givenUp) {
        done('given-up')
        return
      }
      this.queue.add({ release, done, deadline: null, refusals: 0 })
      this.sendNext()
    })
  }

  /** Ends what has not been released (`given-up`); connections in flight are decided as ever. Idempotent. */
  giveUp(): void {
    this.givenUp = true
    for (const timer of this.delayed.values()) timer.cancel()
    const all = [...this.queue, ...this.delayed.keys()]
    this.queue.clear()
    this.delayed.clear()
    for (const { done } of all) done('given-up')
  }

  private sendNext(): void {
    for (const pending of this.queue) {
      if (this.inFlight.size >= IN_FLIGHT_MAX) return
      this.queue.delete(pending)
      this.attempt(pending)
    }
  }

  private attempt(pending: PendingHandover): void {
    const { clock, patienceMs = PATIENCE_MS } = this.options
    const released = pending.release()
    if (!('transient' in released)) {
      this.offer(released, pending)
      return
    }
    pending.deadline ??= clock.monotonic() + patienceMs
    if (!released.transient || clock.monotonic() >= pending.deadline) {
      pending.done(released.reason)
      return
    }
    this.retryLater(pending, RELEASE_RETRY_MS)
  }

  /** Waits outside the queue, so that other connections are sent meanwhile. */
  private retryLater(pending: PendingHandover, ms: number): void {
    const timer = this.options.clock.after(ms, () => {
      this.delayed.delete(pending)
      this.queue.add(pending)
      this.sendNext()
    })
    this.delayed.set(pending, timer)
  }

  private offer(payload: HandoverPayload, pending: PendingHandover): void {
    const { channel, clock, answerWithinMs = ANSWER_WITHIN_MS } = this.options
    const id = (this.lastId += 1)
    // Not restored without asking: the primary may have decided already.
    const timer = clock.after(answerWithinMs, () =>
      channel.send({ kind: 'transfer-withdraw', id }, null, () => this.decided(id, 'no-primary')),
    )
    this.inFlight.set(id, { payload, pending, timer })
    const head = Buffer.from(payload.head).toString('base64')
    channel.send({ kind: 'transfer-offer', id, head, state: payload.state }, payload.handle, () =>
      this.decided(id, 'no-primary'),
    )
  }

  private decided(id: number, result: HandoverResult): void {
    const entry = this.inFlight.get(id)
    if (entry === undefined) return
    this.inFlight.delete(id)
    const { payload, pending, timer } = entry
    timer.cancel()
    if (result === 'moved') payload.moved()
    else payload.restore()
    if (result === 'successor-refused' && !this.givenUp && ++pending.refusals < REFUSALS_MAX)
      this.retryLater(pending, REFUSED_RETRY_MS)
    else pending.done(result)
    this.sendNext()
  }
}
