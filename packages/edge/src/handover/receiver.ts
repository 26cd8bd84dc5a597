/** The successor's end: receives the connections of the worker that it follows. */
import type { DetachedConnection } from '../socket/detach/attach.js'
import type { TcpHandle } from '../socket/detach/ws-internals.js'
import type { HandleChannel } from './channel.js'
import { parseHandoverOrder, type HandoverOrder } from './messages.js'

/** A connection and the state of its session. */
export interface ReceivedConnection extends DetachedConnection {
  readonly state: unknown
}

export interface HandoverTarget {
  /** Whether a connection with this state can be received. Nothing may be done for it yet. */
  canAccept(state: unknown): boolean
  /** The connection and its handle are this worker's from now on. Must not throw. */
  receive(received: ReceivedConnection): void
}

/** Holds connections of the worker before this one until the primary says `go`. */
export class HandoverReceiver {
  private readonly channel: HandleChannel
  private readonly target: HandoverTarget
  private readonly held = new Map<number, ReceivedConnection>()

  constructor(channel: HandleChannel, target: HandoverTarget) {
    this.channel = channel
    this.target = target
    channel.onMessage((message, handle) => {
      const order = parseHandoverOrder(message)
      if (order !== null) this.onOrder(order, handle)
    })
  }

  /** Connections that are held and not to be touched yet. */
  get size(): number {
    return this.held.size
  }

  private onOrder(order: HandoverOrder, handle: TcpHandle | null): void {
    switch (order.kind) {
      case 'transfer-arrival':
        this.hold(order, handle)
        break
      case 'transfer-go': {
        const received = this.held.get(order.id)
        this.held.delete(order.id)
        if (received !== undefined) this.target.receive(received)
        break
      }
      case 'transfer-drop':
        this.held.get(order.id)?.handle.close()
        this.held.delete(order.id)
        break
      default:
        break
    }
  }

  private hold(
    { id, head, state }: HandoverOrder & { kind: 'transfer-arrival' },
    handle: TcpHandle | null,
  ): void {
    if (handle === null || !this.target.canAccept(state)) {
      handle?.close()
      this.report('transfer-refused', id)
      return
    }
    this.held.set(id, { handle, head: Buffer.from(head, 'base64'), state })
    this.report('transfer-taken', id)
  }

  /** Without a primary this process ends, and all handles with it. */
  private report(kind: 'transfer-taken' | 'transfer-refused', id: number): void {
    this.channel.send({ kind, id }, null, () => undefined)
  }
}
