import type { Redis } from 'ioredis'
import { parseHostPort, type HostPort } from '../runtime/host-port.js'
import { messageOf } from '../runtime/startup-error.js'

/**
 * So many pings in a row without an answer: the node is dead (3 s after the first, 3.5 s after the
 * last sign of life). Counted rather than timed: a process that was stopped itself has missed nothing.
 */
const PINGS_MISSED_MAX = 6
const PING_MS = 500
/** Answers that say: this node does not serve, or no longer this slot. Another connection may lead to one that does. */
const REFUSAL = /^(READONLY|CLUSTERDOWN|MASTERDOWN|LOADING|MOVED|BUSY|MISCONF|NOREPLICAS|NOAUTH|WRONGPASS) ?/
/** The keys of a slot that is being moved have arrived at the node it goes to. */
const ASK = /^ASK \d+ (\S+)/

/** How clients are made: each for one connection, without connecting again by itself. */
export interface RedisServers {
  /** The node of a cluster that serves a key now; null: there is only one server. Rejects with the reason. */
  readonly locate: ((key: string) => Promise<HostPort>) | null
  readonly create: (role: 'commands' | 'subscriber', node: HostPort | null) => Redis
  /** How long both connections may take to be ready. */
  readonly readyMsMax: number
}

export interface ConnectionPairOptions {
  readonly servers: RedisServers
  readonly node: HostPort | null
  /** Of the slot that this pair is for. */
  readonly key: string
  /** Both are connected. */
  readonly opened: () => void
  /** Redis serves: it would take a write to the slot. */
  readonly serves: () => void
  /** Called once, unless the pair was ended before: it is of no use any more. */
  readonly failed: (why: string) => void
  readonly message: (channel: Buffer, bytes: Buffer) => void
}

/**
 * Holds two connections to one node, for commands and for messages, used for one life and thrown away together.
 *
 * The client library on its own notices a vanished host after 40 s at best, and its closing of a half-open
 * connection waits for the other end; a fresh client does neither.
 */
export class ConnectionPair {
  private readonly options: ConnectionPairOptions
  private readonly commands: Redis
  private readonly subscriber: Redis
  /** The node that has the keys of the slot already. */
  private redirect: { readonly name: string; readonly client: Redis } | null = null
  private readonly sharded: boolean
  private readonly unanswered = { commands: 0, subscriber: 0 }
  private ended = false

  constructor(options: ConnectionPairOptions) {
    const { servers, node } = options
    this.options = options
    this.sharded = servers.locate !== null
    this.commands = servers.create('commands', node)
    this.subscriber = servers.create('subscriber', node)
    for (const client of [this.commands, this.subscriber]) {
      client.on('ready', () => this.ready())
      for (const event of ['close', 'end']) client.on(event, () => this.giveUp('connection closed'))
      client.on('error', () => undefined) // whoever made the client logs its errors
    }
    // Redis has ended subscriptions because their slot is served by another node.
    this.subscriber.on('moved', () => this.giveUp('the slot is served by another node'))
    this.subscriber.on(
      this.sharded ? 'smessageBuffer' : 'messageBuffer',
      (channel: Buffer, bytes: Buffer) => {
        this.unanswered.subscriber = 0 // as good as an answer to a ping
        if (!this.ended) options.message(channel, bytes)
      },
    )
  }

  /** The log lies at another node than the subscription: for now a new one would hear no more. */
  get redirected(): boolean {
    return this.redirect !== null
  }

  end(): void {
    if (this.ended) return
    this.ended = true
    for (const client of [this.commands, this.subscriber, this.redirect?.client]) client?.disconnect()
  }

  giveUp(why: string): void {
    if (this.ended) return
    this.end()
    this.options.failed(why)
  }

  subscribe(channel: string): Promise<unknown> {
    return this.sharded ? this.subscriber.ssubscribe(channel) : this.subscriber.subscribe(channel)
  }

  unsubscribe(channel: string): Promise<unknown> {
    return this.sharded ? this.subscriber.sunsubscribe(channel) : this.subscriber.unsubscribe(channel)
  }

  /** Runs a command where the keys are. Rejects with what Redis or the connection says. */
  async callBuffer(command: string, ...args: (string | number)[]): Promise<unknown> {
    try {
      const answer = await this.commands.callBuffer(command, ...args)
      this.endRedirect()
      return answer
    } catch (error) {
      const to = ASK.exec(messageOf(error))?.[1]
      if (to !== undefined) return this.callRedirected(to, command, args)
      this.refused(error)
      throw error
    }
  }

  /** To be called twice a second. */
  ping(): void {
    const missedMax = this.isOpen ? PINGS_MISSED_MAX : this.options.servers.readyMsMax / PING_MS
    if (Math.max(this.unanswered.commands, this.unanswered.subscriber) >= missedMax) {
      this.giveUp('no answer')
      return
    }
    this.unanswered.commands++
    this.unanswered.subscriber++
    if (!this.isOpen) return
    // There is no such key; but a node that is no master any more, or whose cluster is down, refuses to look.
    this.commands.del(this.options.key).then(
      () => this.answered(),
      (error: unknown) => {
        if (!this.refused(error) && error instanceof Error && error.name === 'ReplyError') this.answered()
      },
    )
    this.subscriber.ping().then(
      () => (this.unanswered.subscriber = 0),
      () => undefined, // told by 'close', or by the next pings
    )
  }

  private get isOpen(): boolean {
    return this.commands.status === 'ready' && this.subscriber.status === 'ready'
  }

  private ready(): void {
    if (this.ended || !this.isOpen) return
    this.options.opened()
    this.ping()
  }

  private answered(): void {
    this.unanswered.commands = 0
    if (!this.ended) this.options.serves()
  }

  private refused(error: unknown): boolean {
    const message = messageOf(error)
    if (!REFUSAL.test(message)) return false
    this.giveUp(message)
    return true
  }

  private callRedirected(name: string, command: string, args: (string | number)[]): Promise<unknown> {
    if (this.redirect?.name !== name || this.redirect.client.status === 'end') {
      this.endRedirect()
      const client = this.options.servers.create('commands', parseHostPort(name))
      client.on('error', () => undefined)
      this.redirect = { name, client }
    }
    const { client } = this.redirect
    client.asking().catch(() => undefined) // the command that follows tells
    return client.callBuffer(command, ...args)
  }

  private endRedirect(): void {
    this.redirect?.client.disconnect()
    this.redirect = null
  }
}
