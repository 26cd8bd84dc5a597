import { cp } from 'node:fs/promises'
import { temporaryDirectory } from '../../support/guard.mjs'
import { freePort } from '../../support/port.mjs'
import { startRedis } from '../../support/redis.mjs'
import type { Server } from '../../support/cluster.js'

/** A Redis that dies and comes back on the same port; to a cluster it is always the same one. */
export class RedisLife {
  readonly url: string
  readonly port: number
  private server: Server
  private readonly dir: string
  private readonly args: readonly string[]

  private constructor(server: Server, dir: string, args: readonly string[]) {
    this.url = server.url
    this.port = server.port
    this.server = server
    this.dir = dir
    this.args = args
  }

  static async start(args: readonly string[] = []): Promise<RedisLife> {
    const dir = await temporaryDirectory('redis-life')
    const port = await freePort()
    return new RedisLife(await startRedis({ dir, port, args: [...args] }), dir, args)
  }

  get pid(): number {
    return this.server.pid
  }

  pause(): void {
    this.server.pause()
  }

  resume(): void {
    this.server.resume()
  }

  /** Ends it without a warning. */
  kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    return this.server.kill(signal)
  }

  /** With what it has written, if it keeps anything. */
  async restart(): Promise<void> {
    this.server = await startRedis({ port: this.port, dir: this.dir, args: [...this.args] })
  }

  /** A copy of what it has written by now, to be put back. */
  async snapshot(): Promise<string> {
    const copy = await temporaryDirectory('redis-snapshot')
    await cp(this.dir, copy, { recursive: true })
    return copy
  }

  /** While it is dead: it forgets what came after the snapshot. */
  async putBack(snapshot: string): Promise<void> {
    await cp(snapshot, this.dir, { recursive: true, force: true })
  }

  stop(): Promise<void> {
    return this.server.stop()
  }
}
