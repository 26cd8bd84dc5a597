import type { Socket } from 'node:net'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'

/** Which end of a connection it is; the same for a TLS socket and the TCP socket below it. */
type Endpoint = Pick<Socket, 'remoteAddress' | 'remotePort'>

/** One that is younger is never dropped: where thousands come back at once, requests are read after many accepts. */
const AGE_MIN_MS = 1_000

interface Incomplete {
  readonly socket: Socket
  /** Monotonic milliseconds. */
  readonly since: number
}

/**
 * Connections that have not sent a complete request yet. Beyond the limit the oldest are dropped: a real
 * client is done within a round trip, one that trickles is not.
 */
export class IncompleteUpgrades {
  private readonly limit: number
  private readonly clock: Pick<Clock, 'monotonic'>
  private readonly dropped: () => void
  private readonly waiting = new Map<string, Incomplete>()

  constructor(limit: number, clock: Pick<Clock, 'monotonic'>, dropped: () => void) {
    this.limit = limit
    this.clock = clock
    this.dropped = dropped
  }

  get size(): number {
    return this.waiting.size
  }

  add(socket: Socket): void {
    const key = keyOf(socket)
    this.waiting.set(key, { socket, since: this.clock.monotonic() })
    socket.once('close', () => {
      if (this.waiting.get(key)?.socket === socket) this.waiting.delete(key)
    })
    this.dropOldest()
  }

  complete(endpoint: Endpoint): void {
    this.waiting.delete(keyOf(endpoint))
  }

  private dropOldest(): void {
    const latest = this.clock.monotonic() - AGE_MIN_MS
    for (const [key, { socket, since }] of this.waiting) {
      if (this.waiting.size <= this.limit || since > latest) return
      this.waiting.delete(key)
      this.dropped()
      socket.destroy()
    }
  }
}

function keyOf({ remoteAddress, remotePort }: Endpoint): string {
  return `${remoteAddress ?? ''} ${remotePort ?? 0}`
}
