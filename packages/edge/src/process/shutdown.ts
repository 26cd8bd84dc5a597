import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import type { Logger } from 'pino'
import { Drain } from '../drain/drain.js'
import { handOver } from '../handover/hand-over.js'
import type { HandoverResult } from '../handover/result.js'
import type { HandoverSender } from '../handover/sender.js'
import type { Sessions } from '../session/sessions.js'
import type { SocketServer } from '../socket/server.js'
import type { DrainOrder } from './messages.js'
import type { DrainHandler } from './primary-link.js'

export interface ShutdownOptions {
  readonly sessions: Sessions
  readonly sockets: Pick<SocketServer, 'stopListening' | 'settle'>
  readonly sender: HandoverSender
  /** Connections of another worker that this one is about to own. */
  readonly arriving: () => number
  /** Whether connections may be handed over (`drain.handover`, no TLS). */
  readonly handsOver: boolean
  readonly clock: Clock
  readonly log: Pick<Logger, 'info'>
  readonly handedOver: (result: HandoverResult) => void
  /** The worker serves no new clients from now on. */
  readonly began: () => void
  /** Ends the worker; its last session is gone. */
  readonly end: () => Promise<void>
}

/** Of `drain.timeout`: what has not been handed over by then gets 1012. */
const HANDOVER_SHARE = 0.5
/** So long connections that were accepted may take to send their request; a round trip of a slow network. */
const SETTLE_MS = 1_200

/** Ends a worker: hands connections over, drains the rest, ends. */
export class Shutdown implements DrainHandler {
  private readonly options: ShutdownOptions
  private isDraining = false
  private isAdmitting = true
  /** Aborted: nothing waits any more. */
  private readonly immediate = new AbortController()
  private drainOfRest: Drain | null = null

  constructor(options: ShutdownOptions) {
    this.options = options
  }

  /** Whether the primary has ended the worker's service. */
  get draining(): boolean {
    return this.isDraining
  }

  /** Whether clients are let in. Those that were accepted before the worker drains may still send their request. */
  get admitting(): boolean {
    return this.isAdmitting
  }

  /** Begins the drain; a second order, without a successor, ends the hand-over that the first one began. */
  drain(order: DrainOrder): void {
    if (this.isDraining) {
      if (order.toSuccessor !== true) this.options.sender.giveUp()
      return
    }
    this.isDraining = true
    const { sockets, sessions, log, began } = this.options
    sockets.stopListening()
    began()
    log.info({ sessions: sessions.connections.size }, 'draining')
    void this.run(order)
  }

  closeNow(): void {
    this.immediate.abort()
    this.drain({ ratePerSecond: 1, timeoutMs: 1 })
    this.options.sender.giveUp()
    this.drainOfRest?.closeRemaining()
  }

  /** Another worker drains the sessions of a token: those of this one go along, if it drains too. */
  onDrainNotice(tokenHash: string): void {
    this.drainOfRest?.account(this.options.sessions.onDrainNotice(tokenHash))
  }

  /** Connections go to the successor where there is one and they can; the others get 1012. */
  private async run({ ratePerSecond, timeoutMs, toSuccessor }: DrainOrder): Promise<void> {
    const { sessions, sockets, sender, arriving, handsOver, clock, log, handedOver, end } = this.options
    const from = clock.monotonic()
    await sockets.settle(SETTLE_MS, this.immediate.signal)
    this.isAdmitting = false
    if (toSuccessor === true && handsOver) {
      await handOver({ sessions, sender, clock, onResult: handedOver }, timeoutMs * HANDOVER_SHARE)
      log.info({ left: sessions.connections.size }, 'connections passed to the successor')
    }
    const timeout = Math.max(1, timeoutMs - (clock.monotonic() - from))
    sessions.beginDrain()
    const { connections, closeForRestart } = sessions
    this.drainOfRest = new Drain({
      clock,
      connections,
      arriving,
      closeGroup: closeForRestart,
      ratePerSecond,
      timeout,
    })
    const drained = this.drainOfRest.run()
    if (this.immediate.signal.aborted) this.drainOfRest.closeRemaining()
    await drained
    await end()
  }
}
