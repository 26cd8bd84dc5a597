/** Clients that number what they send, and check that the answers are the same numbers in the same order. */
import type { Socket } from 'node:net'
import { WebSocket } from 'ws'
import { waitFor } from '../../../support/wait.mjs'

const TICK_MS = 20

export class Counting {
  readonly socket: WebSocket
  sent = 0
  answered = 0
  /** Answers that did not follow the one before. */
  faults = 0
  closed: number | null = null
  /** Which process answered last. */
  by = 0
  localPort = 0

  constructor(url: string) {
    this.socket = new WebSocket(url, { perMessageDeflate: false })
    this.socket.on('open', () => (this.localPort = this.tcp.localPort!))
    this.socket.on('error', () => undefined)
    this.socket.on('close', (code) => (this.closed = code))
    this.socket.on('message', (data: Buffer) => {
      const [number, by] = data.toString().split(' ')
      if (Number(number) !== this.answered + 1) this.faults += 1
      this.answered = Number(number)
      this.by = Number(by)
    })
  }

  get tcp(): Socket {
    return (this.socket as unknown as { _socket: Socket })._socket
  }

  send(): void {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(String((this.sent += 1)))
  }
}

export class Crowd {
  readonly clients: Counting[]
  private timer: NodeJS.Timeout | null = null

  private constructor(clients: Counting[]) {
    this.clients = clients
  }

  static async connect(url: string, size: number): Promise<Crowd> {
    const crowd = new Crowd(Array.from({ length: size }, () => new Counting(url)))
    await waitFor(() => crowd.clients.every(({ localPort }) => localPort > 0), {
      timeoutMs: 20_000,
      what: 'the connections',
    })
    return crowd
  }

  /** Everybody sends a message every 20 ms, or as often as this process gets round to it. */
  start(): void {
    this.timer ??= setInterval(() => this.once(), TICK_MS)
  }

  once(): void {
    for (const client of this.clients) client.send()
  }

  stop(): void {
    if (this.timer !== null) clearInterval(this.timer)
    this.timer = null
  }

  get open(): Counting[] {
    return this.clients.filter(({ closed }) => closed === null)
  }

  sum(what: 'sent' | 'answered' | 'faults'): number {
    return this.clients.reduce((sum, client) => sum + client[what], 0)
  }

  /** Until every client that is still there has all its answers. */
  async settled(): Promise<void> {
    await waitFor(() => this.open.every(({ sent, answered }) => sent === answered), {
      timeoutMs: 20_000,
      what: 'all answers',
    })
  }

  end(): void {
    this.stop()
    for (const { socket } of this.clients) socket.terminate()
  }
}
