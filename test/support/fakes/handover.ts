/** Channels and handles in memory; messages pass through JSON, and arrive when `flush` says so. */
import type { HandleChannel, ConnectionHandle, HandoverPeer } from '@wazo-websocketd/edge/handover/channel'

/** References to one connection, as the kernel counts them: each process that holds it has one. */
export class FakeHandle implements ConnectionHandle {
  closed = 0
  close(): void {
    this.closed += 1
  }
}

interface Parcel {
  readonly message: unknown
  readonly handle: ConnectionHandle | null
}

type Listener = (message: unknown, handle: ConnectionHandle | null) => void

/** One end; `sent` is what has left it and nobody has delivered. */
export class FakeChannel implements HandleChannel {
  sent: Parcel[] = []
  broken = false
  private readonly listeners: Listener[] = []

  send(message: unknown, handle: ConnectionHandle | null, failed: () => void): void {
    if (this.broken) failed()
    else this.sent.push({ message: JSON.parse(JSON.stringify(message)), handle })
  }

  onMessage(listener: Listener): void {
    this.listeners.push(listener)
  }

  receive(message: unknown, handle: ConnectionHandle | null = null): void {
    for (const listener of this.listeners) listener(message, handle)
  }

  /** What was sent, and forgets it. */
  take(): unknown[] {
    const { sent } = this
    this.sent = []
    return sent.map(({ message }) => message)
  }
}

export class FakePeer extends FakeChannel implements HandoverPeer {
  readonly id: number
  private ends: (() => void)[] = []

  constructor(id: number) {
    super()
    this.id = id
  }

  onEnd(listener: () => void): void {
    this.ends.push(listener)
  }

  end(): void {
    this.broken = true
    for (const listener of this.ends) listener()
  }
}
