import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'

/** The two ends of one connection. */
interface Pair {
  readonly near: Socket
  readonly far: Socket
}

/** Is shown what passes, in the pieces in which it comes. */
export interface WireWatch {
  /** From the one that has connected. */
  readonly up?: (bytes: Buffer) => void
  /** From the server. */
  readonly down?: (bytes: Buffer) => void
}

/** A TCP way to a server on this machine, which can be interrupted in the ways in which networks and servers fail. */
export class Wire {
  readonly port: number
  private readonly server: Server
  private readonly pairs = new Set<Pair>()
  /** Those that `cut` has left behind: open, and no more. */
  private readonly dead = new Set<Pair>()
  private holding = false
  private target: number
  private readonly watch: WireWatch

  private constructor(server: Server, target: number, watch: WireWatch) {
    this.server = server
    this.watch = watch
    this.port = (server.address() as AddressInfo).port
    this.target = target
    server.on('connection', (near) => this.join(near, connect(this.target, '127.0.0.1')))
  }

  static async to(target: number, watch: WireWatch = {}): Promise<Wire> {
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new Wire(server, target, watch)
  }

  /** New connections go to another server on this machine, as when an address is moved; those that stand stay. */
  leadTo(target: number): void {
    this.target = target
  }

  /** Nothing passes any more; connections stay open, new ones are taken, and `heal` lets all of them go on. */
  hold(): void {
    this.holding = true
    for (const pair of this.pairs) stop(pair)
  }

  /** As `hold`, but the connections of this moment stay dead for ever: each end believes in the other one. */
  cut(): void {
    this.hold()
    for (const pair of this.pairs) this.dead.add(pair)
    this.pairs.clear()
  }

  /** Nobody listens, and all connections break. */
  async refuse(): Promise<void> {
    if (!this.server.listening) return
    const closed = once(this.server, 'close')
    this.server.close()
    for (const { near, far } of [...this.pairs, ...this.dead]) {
      near.destroy()
      far.destroy()
    }
    await closed
  }

  /** All connections break at once, with a reset; new ones go through. */
  async reset(): Promise<void> {
    const ends = [...this.pairs].flatMap(({ near, far }) => [near, far])
    const closed = ends.map((end) => once(end, 'close'))
    for (const end of ends) end.resetAndDestroy()
    await Promise.all(closed)
  }

  async heal(): Promise<void> {
    this.holding = false
    for (const pair of this.pairs) this.go(pair)
    if (this.server.listening) return
    this.server.listen(this.port, '127.0.0.1')
    await once(this.server, 'listening')
  }

  private join(near: Socket, far: Socket): void {
    const pair = { near, far }
    this.pairs.add(pair)
    for (const end of [near, far]) {
      end.setNoDelay()
      end.on('error', () => undefined)
      end.once('close', () => {
        near.destroy()
        far.destroy()
        this.pairs.delete(pair)
        this.dead.delete(pair)
      })
    }
    if (!this.holding) this.go(pair)
  }

  private go({ near, far }: Pair): void {
    const { up, down } = this.watch
    // Listening before the pipe stands would let bytes go by that nobody passes on.
    near.pipe(far)
    far.pipe(near)
    if (up !== undefined && !near.listeners('data').includes(up)) near.on('data', up)
    if (down !== undefined && !far.listeners('data').includes(down)) far.on('data', down)
  }
}

function stop({ near, far }: Pair): void {
  near.unpipe().pause()
  far.unpipe().pause()
}
