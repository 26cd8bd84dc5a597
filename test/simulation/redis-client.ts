import { EventEmitter } from 'node:events'
import type { Random } from '../support/scenario/random.js'
import { Link } from './link.js'
import { tagOf, type RedisServer, type Reply } from './redis-server.js'
import type { Scheduler, SimulatedProcess } from './scheduler.js'

type Argument = string | number | Buffer

interface Waiting {
  readonly resolve: (reply: unknown) => void
  readonly reject: (error: Error) => void
}

/** A server as it is reached: it may be down, or answer nothing. */
export class RedisHost {
  readonly server: RedisServer
  /** Takes connections. */
  up = true
  private readonly connections = new Set<RedisClient>()
  /** What came while it was stopped; null: it is not. */
  private held: (() => void)[] | null = null

  constructor(server: RedisServer) {
    this.server = server
  }

  joined(client: RedisClient): void {
    this.connections.add(client)
  }

  left(client: RedisClient): void {
    this.connections.delete(client)
  }

  /** Runs what arrived at the server, now or when it goes on. */
  receive(run: () => void): void {
    if (this.held === null) run()
    else this.held.push(run)
  }

  freeze(): void {
    this.held ??= []
  }

  thaw(): void {
    const { held } = this
    this.held = null
    for (const run of held ?? []) run()
  }

  /** Ends all connections, or those that `which` picks. */
  cut(which: (client: RedisClient) => boolean = () => true): void {
    for (const client of [...this.connections]) if (which(client)) client.link.break()
  }

  /** Ends and refuses connections until `start`. */
  stop(): void {
    this.up = false
    this.held = null
    this.cut()
  }

  start(): void {
    this.up = true
  }

  /** Its connections keep silent, as those of a host that has vanished: until they are given up. */
  block(which: (client: RedisClient) => boolean): void {
    for (const client of this.connections) if (which(client)) client.link.block()
  }
}

export interface RedisClientOptions {
  readonly process: SimulatedProcess
  /** It connects again by itself. */
  readonly reconnects: boolean
}

const RECONNECT_MS = 200

/** One connection as ioredis gives it, without an offline queue. */
export class RedisClient extends EventEmitter {
  readonly isCluster = false
  status = 'connecting'
  link: Link
  readonly process: SimulatedProcess
  private readonly scheduler: Scheduler
  private readonly random: Random
  private readonly host: RedisHost
  private readonly options: RedisClientOptions
  private readonly waiting = new Set<Waiting>()
  private readonly channels = new Set<string>()
  private disconnected = false

  constructor(scheduler: Scheduler, random: Random, host: RedisHost, options: RedisClientOptions) {
    super()
    this.scheduler = scheduler
    this.random = random
    this.host = host
    this.options = options
    this.process = options.process
    this.link = this.connect()
  }

  callBuffer(command: string, ...args: Argument[]): Promise<unknown> {
    return this.ask(() => this.host.server.call(command, args))
  }

  del(key: string): Promise<unknown> {
    return this.callBuffer('DEL', key)
  }

  hdel(key: string, ...fields: string[]): Promise<unknown> {
    return this.callBuffer('HDEL', key, ...fields)
  }

  publish(channel: string, message: string): Promise<unknown> {
    return this.callBuffer('PUBLISH', channel, message)
  }

  ping(): Promise<unknown> {
    return this.callBuffer('PING')
  }

  subscribe(channel: string): Promise<unknown> {
    return this.ask(() => {
      this.channels.add(channel)
      this.host.server.subscribe(channel, this.onMessage)
      return 1
    })
  }

  unsubscribe(channel: string): Promise<unknown> {
    return this.ask(() => {
      this.channels.delete(channel)
      this.host.server.unsubscribe(channel, this.onMessage)
      return 0
    })
  }

  ssubscribe(channel: string): Promise<unknown> {
    return this.subscribe(channel)
  }

  sunsubscribe(channel: string): Promise<unknown> {
    return this.unsubscribe(channel)
  }

  asking(): Promise<unknown> {
    return Promise.resolve('OK')
  }

  disconnect(): void {
    this.disconnected = true
    this.status = 'end'
    this.link.end()
    this.failAll()
    this.scheduler.after(0, () => this.emit('end'), this.process)
  }

  private connect(): Link {
    const { scheduler, random, process, host } = this
    this.status = 'connecting'
    const link: Link = new Link(scheduler, random, process, {
      client: () => this.closed(link),
      server: () => this.forget(),
    })
    host.joined(this)
    link.up(() => {
      if (!host.up) link.break()
      else
        host.receive(() =>
          link.down(() => {
            this.status = 'ready'
            this.emit('ready')
          }),
        )
    })
    return link
  }

  private readonly onMessage = (channel: string, bytes: Buffer): void => {
    this.link.down(() => {
      this.emit('messageBuffer', Buffer.from(channel), bytes)
      this.emit('smessageBuffer', Buffer.from(channel), bytes)
    })
  }

  private ask(run: () => Reply): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.status !== 'ready') {
        reject(new Error("Stream isn't writeable and enableOfflineQueue options is false"))
        return
      }
      const { link, host } = this
      const waiting = { resolve, reject }
      this.waiting.add(waiting)
      link.up(() =>
        host.receive(() => {
          let outcome: () => void
          try {
            const answer = run()
            outcome = () => resolve(answer)
          } catch (error) {
            outcome = () => reject(error instanceof Error ? error : new Error(String(error)))
          }
          link.down(() => {
            if (this.waiting.delete(waiting)) outcome()
          })
        }),
      )
    })
  }

  /** The server's side of the end. */
  private forget(): void {
    this.host.left(this)
    for (const channel of this.channels) this.host.server.unsubscribe(channel, this.onMessage)
    this.channels.clear()
  }

  private closed(link: Link): void {
    if (this.disconnected || this.link !== link) return
    this.status = this.options.reconnects ? 'reconnecting' : 'end'
    this.failAll()
    this.emit('close')
    if (this.options.reconnects)
      this.scheduler.after(
        RECONNECT_MS,
        () => {
          if (!this.disconnected) this.link = this.connect()
        },
        this.process,
      )
    else this.emit('end')
  }

  private failAll(): void {
    for (const { reject } of this.waiting) reject(new Error('Connection is closed.'))
    this.waiting.clear()
  }
}

/** Clients of all servers as one, as ioredis's `Cluster`: each command goes where its key is. */
export class RedisClusterClient {
  private readonly clients: readonly RedisClient[]
  private readonly ownerOf: (tag: string) => number

  constructor(clients: readonly RedisClient[], ownerOf: (tag: string) => number) {
    this.clients = clients
    this.ownerOf = ownerOf
  }

  readonly isCluster = true

  get status(): string {
    return this.clients.some(({ status }) => status === 'ready') ? 'ready' : 'connecting'
  }

  callBuffer(command: string, ...args: Argument[]): Promise<unknown> {
    const key = command.startsWith('EVAL') ? args[2] : args[0]
    return this.clients[this.ownerOf(tagOf(String(key)))]!.callBuffer(command, ...args)
  }

  hdel(key: string, ...fields: string[]): Promise<unknown> {
    return this.callBuffer('HDEL', key, ...fields)
  }

  spublish(channel: string, message: string): Promise<unknown> {
    return this.callBuffer('SPUBLISH', channel, message)
  }

  disconnect(): void {
    for (const client of this.clients) client.disconnect()
  }
}
