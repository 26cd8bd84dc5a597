import type { Socket } from 'node:net'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'

/** Which end of a connection it is; the same for a TLS socket and the TCP socket below it. */
type Endpoint = Pick<Socket, 'remoteAddress' | 'remotePort'>

const SWEEP_MS = 1_000

interface Incomplete {
  readonly socket: Socket
  /** Met by a sweep: whatever its client had sent by then has been read since. */
  seen: boolean
}

/**
 * Connections that have not sent a complete request yet. Beyond the limit the oldest are dropped: a real client
 * is done within a round trip, one that trickles is not. Where thousands come back at once, many requests lie
 * unread in a worker that is busy; so a connection goes only at the second sweep that meets it.
 */
export class IncompleteUpgrades {
  private readonly limit: number
  private readonly clock: Pick<Clock, 'after'>
  private readonly dropped: () => void
  private readonly waiting = new Map<string, Incomplete>()
  private sweeping = false

  constructor(limit: number, clock: Pick<Clock, 'after'>, dropped: () => void) {
    this.limit = limit
    this.clock = clock
    this.dropped = dropped
  }

  get size(): number {
    return this.waiting.size
  }

  add(socket: Socket): void {
    const key = keyOf(socket)
    this.waiting.set(key, { socket, seen: false })
    socket.once('close', () => {
      if (this.waiting.get(key)?.socket === socket) this.waiting.delete(key)
    })
    this.sweepSoon()
  }

  complete(endpoint: Endpoint): void {
    this.waiting.delete(keyOf(endpoint))
  }

  private sweepSoon(): void {
    if (this.sweeping || this.waiting.size <= this.limit) return
    this.sweeping = true
    this.clock.after(SWEEP_MS, () => {
      this.sweeping = false
      this.sweep()
      this.sweepSoon()
    })
  }

  private sweep(): void {
    for (const [key, entry] of this.waiting) {
      if (entry.seen && this.waiting.size > this.limit) {
        this.waiting.delete(key)
        this.dropped()
        entry.socket.destroy()
      } else entry.seen = true
    }
  }
}

function keyOf({ remoteAddress, remotePort }: Endpoint): string {
  return `${remoteAddress ?? ''} ${remotePort ?? 0}`
}
