/** Channels and handles in memory; messages pass through JSON, and arrive when `flush` says so. */
import type { HandleChannel, HandoverPeer } from '@wazo-websocketd/edge/handover/channel'
import type { TcpHandle } from '@wazo-websocketd/edge/socket/detach/ws-internals'

/** References to one connection, as the kernel counts them: each process that holds it has one. */
export class FakeHandle implements TcpHandle {
  closed = 0
  reading = false
  readonly writeQueueSize = 0
  readStart(): number {
    return 0
  }
  readStop(): number {
    return 0
  }
  close(): void {
    this.closed += 1
  }
}

interface Parcel {
  readonly message: unknown
  readonly handle: TcpHandle | null
}

type Listener = (message: unknown, handle: TcpHandle | null) => void

/** One end; `sent` is what was sent and not delivered yet. */
export class FakeChannel implements HandleChannel {
  sent: Parcel[] = []
  broken = false
  private readonly listeners: Listener[] = []

  send(message: unknown, handle: TcpHandle | null, failed: () => void): void {
    if (this.broken) failed()
    else this.sent.push({ message: JSON.parse(JSON.stringify(message)), handle })
  }

  onMessage(listener: Listener): void {
    this.listeners.push(listener)
  }

  receive(message: unknown, handle: TcpHandle | null = null): void {
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
