import type { Socket } from 'node:net'

/** Which end of a connection it is; the same for a TLS socket and the TCP socket below it. */
type Endpoint = Pick<Socket, 'remoteAddress' | 'remotePort'>

/**
 * Connections that have not sent a complete request yet. Beyond the limit the oldest is dropped: a real
 * client is done within a round trip, one that trickles is not.
 */
export class IncompleteUpgrades {
  private readonly limit: number
  private readonly dropped: () => void
  private readonly sockets = new Map<string, Socket>()

  constructor(limit: number, dropped: () => void) {
    this.limit = limit
    this.dropped = dropped
  }

  get size(): number {
    return this.sockets.size
  }

  add(socket: Socket): void {
    const key = keyOf(socket)
    this.sockets.set(key, socket)
    socket.once('close', () => {
      if (this.sockets.get(key) === socket) this.sockets.delete(key)
    })
    if (this.sockets.size <= this.limit) return
    for (const [oldestKey, oldest] of this.sockets) {
      this.sockets.delete(oldestKey)
      this.dropped()
      oldest.destroy()
      break
    }
  }

  complete(endpoint: Endpoint): void {
    this.sockets.delete(keyOf(endpoint))
  }
}

function keyOf({ remoteAddress, remotePort }: Endpoint): string {
  return `${remoteAddress ?? ''} ${remotePort ?? 0}`
}
