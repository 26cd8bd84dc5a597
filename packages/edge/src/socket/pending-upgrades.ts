import type { Socket } from 'node:net'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'

/** The client's end of a connection; the same for a TLS socket and the TCP socket below it. */
type Endpoint = Pick<Socket, 'remoteAddress' | 'remotePort'>

const SWEEP_MS = 1_000

interface Incomplete {
  readonly socket: Socket
  /** Listens for the socket's end; removed with the entry, as the connection may live for days. */
  readonly closed: () => void
  /** Whether a sweep has met it: what its client had sent by then has been read since. */
  seen: boolean
}

export interface PendingUpgradesOptions {
  /** So many incomplete requests are never dropped. */
  readonly limit: number
  /** Milliseconds that a request may take until it is complete. */
  readonly handshakeTime: number
  readonly clock: Pick<Clock, 'after'>
  /** Called for each connection that is dropped. */
  readonly dropped: () => void
}

/**
 * Bounds the connections that have not sent a complete request yet. Beyond the limit the oldest are dropped: a real
 * client is done within a round trip, one that trickles is not. Where thousands come back at once, many requests lie
 * unread in a worker that is busy. So a connection is dropped only at the second sweep that meets it, and those that
 * the worker will complete within the time for a handshake, at its pace of the last second, are no excess.
 */
export class PendingUpgrades {
  private readonly options: PendingUpgradesOptions
  private readonly waiting = new Map<string, Incomplete>()
  private sweeping = false
  /** Requests completed since the last sweep. */
  private completed = 0

  constructor(options: PendingUpgradesOptions) {
    this.options = options
  }

  get size(): number {
    return this.waiting.size
  }

  add(socket: Socket): void {
    const key = keyOf(socket)
    const closed = () => {
      if (this.waiting.get(key)?.socket === socket) this.waiting.delete(key)
    }
    this.waiting.set(key, { socket, closed, seen: false })
    socket.on('close', closed)
    this.sweepSoon()
  }

  complete(endpoint: Endpoint): void {
    const key = keyOf(endpoint)
    const entry = this.waiting.get(key)
    if (entry === undefined) return
    this.waiting.delete(key)
    entry.socket.off('close', entry.closed)
    this.completed++
  }

  private sweepSoon(): void {
    const { limit, clock } = this.options
    if (this.sweeping || this.waiting.size <= limit) return
    this.sweeping = true
    this.completed = 0
    clock.after(SWEEP_MS, () => {
      this.sweeping = false
      this.sweep()
      this.sweepSoon()
    })
  }

  private sweep(): void {
    const { limit, handshakeTime, dropped } = this.options
    const bound = limit + (this.completed * handshakeTime) / SWEEP_MS
    for (const [key, entry] of this.waiting) {
      if (entry.seen && this.waiting.size > bound) {
        this.waiting.delete(key)
        dropped()
        entry.socket.destroy()
      } else entry.seen = true
    }
  }
}

function keyOf({ remoteAddress, remotePort }: Endpoint): string {
  return `${remoteAddress ?? ''} ${remotePort ?? 0}`
}
