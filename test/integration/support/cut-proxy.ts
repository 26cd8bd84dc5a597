import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'

/** A way to a server that can be cut off: then its port refuses connections, and those that were open are reset. */
export class CutProxy {
  private readonly target: number
  private readonly sockets = new Set<Socket>()
  private server: Server | null = null
  port = 0

  private constructor(target: number) {
    this.target = target
  }

  static async start(target: number): Promise<CutProxy> {
    const proxy = new CutProxy(target)
    await proxy.mend()
    return proxy
  }

  /** Leads to the server (again). */
  async mend(): Promise<void> {
    const server = createServer((near) => {
      const far = connect(this.target, '127.0.0.1')
      for (const socket of [near, far]) {
        this.sockets.add(socket)
        socket.on('error', () => undefined)
        socket.on('close', () => {
          this.sockets.delete(socket)
          near.destroy()
          far.destroy()
        })
      }
      near.pipe(far).pipe(near)
    }).listen(this.port, '127.0.0.1')
    await once(server, 'listening')
    this.server = server
    this.port = (server.address() as AddressInfo).port
  }

  cut(): void {
    this.server?.close()
    this.server = null
    for (const socket of this.sockets) socket.resetAndDestroy()
  }
}
