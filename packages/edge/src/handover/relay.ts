/** Passes connections from old workers to their successors. Runs in the primary. */
import type { Clock, Timer } from '@wazo-websocketd/shared/runtime/clock'
import type { TcpHandle } from '../socket/detach/ws-internals.js'
import type { HandoverPeer } from './channel.js'
import { IN_FLIGHT_MAX, parseHandoverReport, type HandoverReport, type ReturnReason } from './messages.js'

export interface RelayOptions {
  readonly clock: Clock
  /** Milliseconds within which a successor has to take what it is given; later it is told to drop it. */
  readonly takenWithinMs?: number
  /** A connection of the worker `from` is that of the worker `to` from now on. */
  readonly moved?: (from: number, to: number) => void
}

const TAKEN_WITHIN_MS = 5_000
/** How long what a worker has sent may still arrive after its end. */
const LATE_MS = 1_000

interface HandoverInFlight {
  /** The primary's number. */
  readonly id: number
  readonly from: HandoverPeer
  /** The old worker's number. */
  readonly offer: number
  readonly to: HandoverPeer
  readonly handle: TcpHandle
  readonly timer: Timer
}

/**
 * Decides which worker owns a connection on its way (docs/adr/0008); reads nothing of it, and keeps nothing else. The
 * old worker keeps its own reference to a connection until the successor has confirmed that it holds one. When
 * something fails before (no successor, or it refuses, hangs, dies), the primary returns the connection by a message,
 * and the old worker goes on with it unharmed. From the confirmation on the connection is the successor's: if that
 * dies then, the connection ends with it, as all of its others do. A connection whose old worker dies on the way goes
 * on with the successor, since all that it needs is on the way too; without a successor it ends.
 */
export class HandoverRelay {
  private readonly clock: Clock
  private readonly takenWithinMs: number
  private readonly moved: (from: number, to: number) => void
  private readonly successors = new Map<number, HandoverPeer>()
  private readonly inFlight = new Map<number, HandoverInFlight>()
  private lastId = 0

  constructor({ clock, takenWithinMs = TAKEN_WITHIN_MS, moved = () => undefined }: RelayOptions) {
    this.clock = clock
    this.moved = moved
    this.takenWithinMs = takenWithinMs
  }

  /** Connections that are on their way now. */
  get size(): number {
    return this.inFlight.size
  }

  /** Listens to a worker, as long as it lives. Every worker that may give or take has to be known. */
  watch(peer: HandoverPeer): void {
    peer.onMessage((message, handle) => {
      const report = parseHandoverReport(message)
      if (report !== null) this.onReport(peer, report, handle)
    })
    peer.onEnd(() => this.peerEnded(peer))
  }

  /** Connections that `from` offers go to `to` from now on. */
  pair(from: HandoverPeer, to: HandoverPeer): void {
    this.successors.set(from.id, to)
  }

  private onReport(peer: HandoverPeer, report: HandoverReport, handle: TcpHandle | null): void {
    switch (report.kind) {
      case 'transfer-offer':
        this.offered(peer, report, handle)
        break
      case 'transfer-withdraw':
        this.withdrawn(peer, report.id)
        break
      case 'transfer-taken':
        this.taken(peer, report.id)
        break
      case 'transfer-refused': {
        const handover = this.inFlightTo(peer, report.id)
        if (handover !== null) this.giveBack(handover, 'successor-refused')
        break
      }
    }
  }

  private offered(
    from: HandoverPeer,
    { id: offer, head, state }: HandoverReport & { kind: 'transfer-offer' },
    handle: TcpHandle | null,
  ): void {
    const to = this.successors.get(from.id)
    const reason = this.reasonAgainst(from, to)
    if (handle === null || to === undefined || reason !== null) {
      handle?.close()
      sendReturned(from, offer, reason ?? 'no-successor')
      return
    }
    const id = (this.lastId += 1)
    const timer = this.clock.after(this.takenWithinMs, () => this.giveBack(handover, 'timeout'))
    const handover: HandoverInFlight = { id, from, offer, to, handle, timer }
    this.inFlight.set(id, handover)
    to.send({ kind: 'transfer-arrival', id, head, state }, handle, () =>
      this.giveBack(handover, 'successor-gone'),
    )
  }

  private reasonAgainst(from: HandoverPeer, to: HandoverPeer | undefined): ReturnReason | null {
    if (to === undefined) return 'no-successor'
    let underWay = 0
    for (const handover of this.inFlight.values()) if (handover.from === from) underWay += 1
    return underWay >= IN_FLIGHT_MAX ? 'busy' : null
  }

  /** The moment at which the connection changes its owner. */
  private taken(peer: HandoverPeer, id: number): void {
    const handover = this.inFlightTo(peer, id)
    if (handover === null) {
      // It was given back meanwhile, and its old worker may be using it.
      peer.send({ kind: 'transfer-drop', id }, null, ignore)
      return
    }
    this.close(handover)
    this.moved(handover.from.id, peer.id)
    handover.from.send({ kind: 'transfer-moved', id: handover.offer }, null, ignore)
    peer.send({ kind: 'transfer-go', id }, null, ignore)
  }

  /**
   * Gives an offer that never came (a process that has no file descriptor left loses the message) back to the old
   * worker. If it has been decided, that answer goes ahead of this one, which then means nothing.
   */
  private withdrawn(from: HandoverPeer, offer: number): void {
    for (const handover of this.inFlight.values()) {
      if (handover.from !== from || handover.offer !== offer) continue
      this.giveBack(handover, 'withdrawn')
      return
    }
    sendReturned(from, offer, 'withdrawn')
  }

  private peerEnded(peer: HandoverPeer): void {
    this.clock.after(LATE_MS, () => this.successors.delete(peer.id))
    for (const [from, to] of this.successors) if (to === peer) this.successors.delete(from)
    for (const handover of this.inFlight.values())
      if (handover.to === peer) this.giveBack(handover, 'successor-gone')
  }

  private inFlightTo(peer: HandoverPeer, id: number): HandoverInFlight | null {
    const handover = this.inFlight.get(id)
    return handover?.to === peer ? handover : null
  }

  private giveBack(handover: HandoverInFlight, reason: ReturnReason): void {
    if (!this.inFlight.has(handover.id)) return
    this.close(handover)
    sendReturned(handover.from, handover.offer, reason)
  }

  private close({ id, timer, handle }: HandoverInFlight): void {
    this.inFlight.delete(id)
    timer.cancel()
    handle.close()
  }
}

/** An old worker that has ended needs no answer. */
function sendReturned(from: HandoverPeer, offer: number, reason: ReturnReason): void {
  from.send({ kind: 'transfer-returned', id: offer, reason }, null, ignore)
}

function ignore(): void {
  // The other end is gone, which `peerEnded` deals with.
}
