/** Passes connections from old workers to their successors. Runs in the primary. */
import type { Clock, Timer } from '@wazo-websocketd/shared/runtime/clock'
import type { HandoverPeer } from './channel.js'
import { parseHandoverReport, IN_FLIGHT_MAX, type ReturnReason, type HandoverReport } from './messages.js'
import type { TcpHandle } from '../socket/detach/ws-internals.js'

export interface RelayOptions {
  readonly clock: Clock
  /** Milliseconds within which a successor has to take what it is given; later it is told to drop it. */
  readonly takenWithinMs?: number
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
 * Nothing is read in the primary, and nothing kept but what is on its way. The old worker keeps its own
 * reference to a connection until the successor has confirmed that it holds it, so whatever goes wrong before
 * (no successor, it refuses, hangs, dies) the primary gives the connection back by a word, and the old worker
 * goes on with it unharmed. From the confirmation on it is the successor's: if that dies then, the connection
 * ends with it, as all of its others do. A connection whose old worker dies on the way goes on with the
 * successor, since all that it needs is on the way too; without one it ends.
 */
export class HandoverRelay {
  private readonly clock: Clock
  private readonly takenWithinMs: number
  private readonly successors = new Map<number, HandoverPeer>()
  private readonly transfers = new Map<number, HandoverInFlight>()
  private lastId = 0

  constructor({ clock, takenWithinMs = TAKEN_WITHIN_MS }: RelayOptions) {
    this.clock = clock
    this.takenWithinMs = takenWithinMs
  }

  /** Connections that are on their way now. */
  get size(): number {
    return this.transfers.size
  }

  /** Listens to a worker, as long as it lives. Every worker that may give or take has to be known. */
  watch(peer: HandoverPeer): void {
    peer.onMessage((message, handle) => {
      const report = parseHandoverReport(message)
      if (report !== null) this.heard(peer, report, handle)
    })
    peer.onEnd(() => this.ended(peer))
  }

  /** Whatever `from` offers goes to `to` from now on. */
  pair(from: HandoverPeer, to: HandoverPeer): void {
    this.successors.set(from.id, to)
  }

  /** `from` has no successor any more; what is on its way still arrives. */
  unpair(from: HandoverPeer): void {
    this.successors.delete(from.id)
  }

  private heard(peer: HandoverPeer, report: HandoverReport, handle: TcpHandle | null): void {
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
        const transfer = this.transferTo(peer, report.id)
        if (transfer !== null) this.giveBack(transfer, 'successor-refused')
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
      answer(from, offer, reason ?? 'no-successor')
      return
    }
    const id = (this.lastId += 1)
    const timer = this.clock.after(this.takenWithinMs, () => this.giveBack(transfer, 'timeout'))
    const transfer: HandoverInFlight = { id, from, offer, to, handle, timer }
    this.transfers.set(id, transfer)
    to.send({ kind: 'transfer-arrival', id, head, state }, handle, () =>
      this.giveBack(transfer, 'successor-gone'),
    )
  }

  private reasonAgainst(from: HandoverPeer, to: HandoverPeer | undefined): ReturnReason | null {
    if (to === undefined) return 'no-successor'
    let onTheWay = 0
    for (const transfer of this.transfers.values()) if (transfer.from === from) onTheWay += 1
    return onTheWay >= IN_FLIGHT_MAX ? 'busy' : null
  }

  /** The moment at which the connection changes hands. */
  private taken(peer: HandoverPeer, id: number): void {
    const transfer = this.transferTo(peer, id)
    if (transfer === null) {
      // It was given back meanwhile, and its old worker may be using it.
      peer.send({ kind: 'transfer-drop', id }, null, ignore)
      return
    }
    this.close(transfer)
    transfer.from.send({ kind: 'transfer-moved', id: transfer.offer }, null, ignore)
    peer.send({ kind: 'transfer-go', id }, null, ignore)
  }

  /**
   * An offer that never came (a process that has no file descriptor left loses the message) is the old worker's
   * again. If it has been decided, that answer goes ahead of this one, which then means nothing.
   */
  private withdrawn(from: HandoverPeer, offer: number): void {
    for (const transfer of this.transfers.values()) {
      if (transfer.from !== from || transfer.offer !== offer) continue
      this.giveBack(transfer, 'withdrawn')
      return
    }
    answer(from, offer, 'withdrawn')
  }

  private ended(peer: HandoverPeer): void {
    this.clock.after(LATE_MS, () => this.successors.delete(peer.id))
    for (const [from, to] of this.successors) if (to === peer) this.successors.delete(from)
    for (const transfer of this.transfers.values())
      if (transfer.to === peer) this.giveBack(transfer, 'successor-gone')
  }

  private transferTo(peer: HandoverPeer, id: number): HandoverInFlight | null {
    const transfer = this.transfers.get(id)
    return transfer?.to === peer ? transfer : null
  }

  private giveBack(transfer: HandoverInFlight, reason: ReturnReason): void {
    if (!this.transfers.has(transfer.id)) return
    this.close(transfer)
    answer(transfer.from, transfer.offer, reason)
  }

  private close({ id, timer, handle }: HandoverInFlight): void {
    this.transfers.delete(id)
    timer.cancel()
    handle.close()
  }
}

/** An old worker that has ended needs no answer. */
function answer(from: HandoverPeer, offer: number, reason: ReturnReason): void {
  from.send({ kind: 'transfer-returned', id: offer, reason }, null, ignore)
}

function ignore(): void {
  // The other end is gone, which `ended` deals with.
}
