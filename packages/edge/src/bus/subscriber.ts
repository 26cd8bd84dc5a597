import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import type { Redis } from 'ioredis'
import type { Logger } from 'pino'
import { Connection, type RedisClient } from './connection.js'

/** What a subscriber tells about one channel; synchronous. */
export interface ChannelListener {
  /** Redis confirmed the subscription: what is published from now on arrives. Again after every reconnect. */
  confirmed?(): void
  /** The connection is gone: nothing is confirmed any more. */
  interrupted?(): void
  message(bytes: Uint8Array): void
}

export interface SubscriberOptions {
  readonly create: () => RedisClient
  readonly clock: Clock
  readonly logger: Logger
}

/** The channels that this worker listens to, over one connection to Redis. */
export class Subscriber {
  private readonly connection: Connection
  private readonly channels = new Map<string, ChannelListener>()

  constructor({ create, clock, logger }: SubscriberOptions) {
    this.connection = new Connection({
      role: 'subscriber',
      create,
      clock,
      logger,
      up: (client) => this.up(client),
      down: () => this.down(),
    })
  }

  start(): void {
    this.connection.start()
  }

  stop(): void {
    this.connection.stop()
  }

  get connected(): boolean {
    return this.connection.client !== null
  }

  /** Wants a channel until `unsubscribe`, over every reconnect. */
  subscribe(channel: string, listener: ChannelListener): void {
    this.channels.set(channel, listener)
    const { client } = this.connection
    if (client !== null) this.request(client, channel, listener)
  }

  unsubscribe(channel: string): void {
    this.channels.delete(channel)
    const { client } = this.connection
    if (client === null) return
    const done = client.isCluster ? client.sunsubscribe(channel) : client.unsubscribe(channel)
    done.catch(() => undefined) // a connection that fails is replaced, and the new one does not subscribe
  }

  /** The subscription is deaf: messages that were published did not arrive. */
  replace(why: string): void {
    this.connection.replace(why)
  }

  private up(client: RedisClient): void {
    const receive = (channel: Buffer, bytes: Buffer): void => {
      this.connection.alive()
      this.channels.get(channel.toString())?.message(bytes)
    }
    if (client.isCluster) client.on('smessageBuffer', receive)
    else (client as Redis).on('messageBuffer', receive)
    for (const [channel, listener] of this.channels) this.request(client, channel, listener)
  }

  private down(): void {
    for (const listener of this.channels.values()) listener.interrupted?.()
  }

  private request(client: RedisClient, channel: string, listener: ChannelListener): void {
    const confirmed = client.isCluster ? client.ssubscribe(channel) : client.subscribe(channel)
    confirmed.then(
      () => {
        if (this.connection.client !== client || this.channels.get(channel) !== listener) return
        listener.confirmed?.()
      },
      (error: unknown) => {
        if (this.connection.client !== client) return
        const why = error instanceof Error ? error.message : 'unknown'
        this.connection.replace(`subscription refused: ${why}`)
      },
    )
  }
}
