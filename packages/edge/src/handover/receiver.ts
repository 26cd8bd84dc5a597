/** The successor's end: takes connections of the worker that it follows. */
import type { HandleChannel } from './channel.js'
import { parseHandoverOrder, type HandoverOrder } from './messages.js'
import type { TcpHandle } from '../socket/detach/ws-internals.js'

/** A connection and the session that goes with it. */
export interface ReceivedConnection {
  readonly handle: TcpHandle
  readonly head: Uint8Array
  readonly state: unknown
}

export interface HandoverTarget {
  /** Whether a connection with this state can be taken. Nothing may be done for it yet. */
  canAccept(state: unknown): boolean
  /** The connection and its handle are this worker's from now on. Must not throw. */
  receive(arrived: ReceivedConnection): void
}

export class HandoverReceiver {
  private readonly channel: HandleChannel
  private readonly host: HandoverTarget
  private readonly held = new Map<number, ReceivedConnection>()

  constructor(channel: HandleChannel, host: HandoverTarget) {
    this.channel = channel
    this.host = host
    channel.onMessage((message, handle) => {
      const order = parseHandoverOrder(message)
      if (order !== null) this.heard(order, handle)
    })
  }

  /** Connections that are held and not to be touched yet. */
  get size(): number {
    return this.held.size
  }

  private heard(order: HandoverOrder, handle: TcpHandle | null): void {
    switch (order.kind) {
      case 'transfer-arrival':
        this.arrived(order, handle)
        break
      case 'transfer-go': {
        const arrived = this.held.get(order.id)
        this.held.delete(order.id)
        if (arrived !== undefined) this.host.receive(arrived)
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

  private arrived(
    { id, head, state }: HandoverOrder & { kind: 'transfer-arrival' },
    handle: TcpHandle | null,
  ): void {
    if (handle === null || !this.host.canAccept(state)) {
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
