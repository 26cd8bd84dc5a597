import type { ClientOptions } from 'ws'
import type { Client, Closed } from './client.js'
import { sleep } from './wait.mjs'
import type { Cluster, EdgeHost } from './cluster.js'
import { taken } from './numbered.js'
import { Tally, type Verdict } from './tally.js'

const TRIES_MAX = 20
/** Long: a session that has started unseen would have taken what its successor needs. */
const START_MS_MAX = 60_000

export interface ReturningOptions {
  readonly token: string
  readonly version: 1 | 2
  /** Where to connect now. */
  readonly host: () => EdgeHost
  /** Milliseconds to wait before coming back; like the SDK one to five seconds unless given. */
  readonly delay?: () => number
  readonly names?: readonly string[]
  readonly socket?: ClientOptions
}

/** A client that comes back with the same token and subscriptions as the SDK does, and keeps what all its sessions got. */
export class Returning {
  readonly tally = new Tally()
  /** How its sessions ended. */
  readonly endings: Closed[] = []
  /** When, by `performance.now`. */
  readonly endedAt: number[] = []
  /** Attempts to come back that did not lead to a session: why not. */
  readonly failures: string[] = []
  /** Everything but events that came after a `start` was answered. */
  readonly oddities: string[] = []
  private readonly cluster: Cluster
  private readonly options: ReturningOptions
  private client: Client | null = null
  private leaving = false

  private constructor(cluster: Cluster, options: ReturningOptions) {
    this.cluster = cluster
    this.options = options
  }

  /** Resolves when its first session has started. */
  static async start(cluster: Cluster, options: ReturningOptions): Promise<Returning> {
    const returning = new Returning(cluster, options)
    await returning.connect()
    return returning
  }

  get connected(): boolean {
    return this.client !== null
  }

  /** Of the client's end of its connection; null while it has none. */
  get localPort(): number | null {
    return this.client?.localPort ?? null
  }

  /** Takes what has arrived. */
  look(): void {
    if (this.client !== null) this.read(this.client)
  }

  verdict(sent: number): Verdict {
    this.look()
    return this.tally.verdict(sent)
  }

  async end(): Promise<void> {
    this.leaving = true
    await this.client?.close()
  }

  private async connect(): Promise<void> {
    const { token, version, host, names = ['numbered'] } = this.options
    const socket = { handshakeTimeout: START_MS_MAX, ...this.options.socket }
    const client = this.cluster.connect(token, { version, timeoutMs: START_MS_MAX, socket }, host())
    const closed = client.closed
    try {
      await client.opened // tells of a refused upgrade what the end of the connection does not
      await client.start(...names)
    } catch (error) {
      client.socket.terminate()
      throw error
    }
    this.client = client
    void closed.then((end) => {
      this.read(client)
      this.client = null
      this.endings.push(end)
      this.endedAt.push(performance.now())
      if (!this.leaving) void this.comeBack()
    })
  }

  private async comeBack(): Promise<void> {
    const { delay = () => 1_000 + Math.random() * 4_000 } = this.options
    for (let tries = 0; tries < TRIES_MAX && !this.leaving; tries++) {
      await sleep(delay())
      try {
        await this.connect()
        return
      } catch (error) {
        // Not served, as during a start: the SDK tries again.
        this.failures.push(String(error))
        if (tries === TRIES_MAX - 1) this.oddities.push(String(error))
      }
    }
  }

  private read(client: Client): void {
    for (const n of taken(client))
      if (typeof n === 'number') this.tally.arrived(n)
      else this.oddities.push(n)
  }
}
