import type { Socket } from 'node:net'
import { connect, type Client } from './client.js'
import type { EdgeHost } from './cluster.js'
import { clientFrame } from './frames.js'
import { Tally } from './tally.js'
import { sleep } from './wait.mjs'

/** How a client loses its connection. */
export const CUTS = ['reset', 'half a frame', 'frozen', 'in order'] as const
export type Cut = (typeof CUTS)[number]

const START_MS_MAX = 30_000
const RETRY_MS = 250
const TRIES_MAX = 120

interface EventMessage {
  readonly op: string
  readonly id?: string
  readonly data: {
    readonly tenant_uuid?: string
    readonly data?: { readonly n?: number }
    readonly resumed?: boolean
  }
}

/** What `start` is answered about positions. */
export interface Start {
  readonly resumed: boolean
  readonly why?: string
  readonly id: string
}

/** A client that loses its connection again and again, and goes on from the last position that it has read. */
export class Resuming {
  /** Numbered events by tenant. */
  readonly tallies = new Map<string, Tally>()
  /** What `start` was answered, each time. */
  readonly starts: Start[] = []
  /** Close codes of sessions that it did not end itself. */
  readonly codes: number[] = []
  /** Attempts that did not lead to a session. */
  failures = 0
  private readonly token: string
  private readonly hosts: () => EdgeHost
  private readonly names: readonly string[]
  private client: Client | null = null
  private position = ''
  private leaving = false
  private reading: Promise<void> = Promise.resolve()

  /** @param hosts where to connect, anew each time */
  constructor(token: string, hosts: () => EdgeHost, names: readonly string[]) {
    this.token = token
    this.hosts = hosts
    this.names = names
  }

  get connected(): boolean {
    return this.client !== null
  }

  /** Connects; from then on it reads, and comes back by itself until `end`. */
  async start(): Promise<this> {
    await this.connect()
    return this
  }

  /** Loses the connection in one of the ways; `frozen` takes `frozenMs`. */
  async cut(how: Cut, frozenMs: number): Promise<void> {
    const { client } = this
    if (client === null) return
    const tcp = (client.socket as unknown as { _socket: Socket })._socket
    switch (how) {
      case 'reset':
        tcp.resetAndDestroy()
        break
      case 'half a frame':
        tcp.write(clientFrame('{"op":"ping","data":{"payload":1}}').subarray(0, 9))
        tcp.destroySoon()
        break
      case 'frozen':
        tcp.pause()
        await sleep(frozenMs)
        tcp.resetAndDestroy()
        break
      case 'in order':
        await client.close()
    }
    await client.closed
  }

  async end(): Promise<void> {
    this.leaving = true
    await this.client?.close()
    await this.reading
  }

  private async connect(): Promise<void> {
    const query = new URLSearchParams({ token: this.token, version: '2', resume: this.position })
    const client = connect(this.hosts().url, { query: query.toString(), timeoutMs: START_MS_MAX })
    try {
      await client.opened
      for (const name of this.names) client.send({ op: 'subscribe', data: { event_name: name } })
      client.send({ op: 'start' })
      for (let i = 0; i <= this.names.length; i++) await client.next()
      const { data } = (await client.next()) as unknown as { data: Start }
      this.starts.push(data)
      this.position = data.id
    } catch (error) {
      client.socket.terminate()
      throw error
    }
    this.client = client
    this.reading = this.read(client)
  }

  private async read(client: Client): Promise<void> {
    for (;;) {
      const message = await client.next(2 ** 31 - 1).catch(() => null)
      if (message === null) break
      this.take(message as unknown as EventMessage)
    }
    this.client = null
    const { code } = await client.closed
    this.codes.push(code)
    if (!this.leaving) await this.comeBack()
  }

  private take({ op, id, data }: EventMessage): void {
    if (op !== 'event') return
    this.position = id ?? ''
    const { tenant_uuid: tenant = '', data: { n } = {} } = data
    let tally = this.tallies.get(tenant)
    if (tally === undefined) this.tallies.set(tenant, (tally = new Tally()))
    if (n !== undefined) tally.arrived(n)
  }

  private async comeBack(): Promise<void> {
    for (let tries = 0; tries < TRIES_MAX && !this.leaving; tries++) {
      try {
        await this.connect()
        return
      } catch {
        this.failures++
        await sleep(RETRY_MS)
      }
    }
  }
}
