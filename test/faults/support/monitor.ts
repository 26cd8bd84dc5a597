import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { waitFor } from '../../support/wait.mjs'

/** MONITOR of a Redis, byte for byte: every command that reaches it, also those within scripts. */
export class Monitor {
  private readonly socket: Socket
  private readonly chunks: Buffer[] = []

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk: Buffer) => this.chunks.push(chunk))
    socket.on('error', () => undefined) // an end that nobody asked for shows in `text`
  }

  /** Resolves when Redis tells of every further command. */
  static async start(port: number): Promise<Monitor> {
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    const monitor = new Monitor(socket)
    socket.write('MONITOR\r\n')
    await waitFor(() => monitor.bytes >= '+OK\r\n'.length, { what: 'MONITOR to begin' })
    return monitor
  }

  get bytes(): number {
    return this.chunks.reduce((sum, { length }) => sum + length, 0)
  }

  /** All that was told, one character per byte. Redis escapes quotes and what cannot be printed. */
  async text(): Promise<string> {
    if (this.socket.destroyed) throw new Error('Redis has ended MONITOR: its output limit?')
    await sleep(200) // what is still under way
    return Buffer.concat(this.chunks).toString('latin1')
  }

  stop(): void {
    this.socket.destroy()
  }
}
