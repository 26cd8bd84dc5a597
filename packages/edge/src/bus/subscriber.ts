import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import { keys } from '@wazo-websocketd/shared/runtime/scripts'
import type { Redis } from 'ioredis'
import type { Logger } from 'pino'
import { Connection, type RedisClient } from './connection.js'

/** What the subscriber tells; synchronous. */
export interface SubscriberListener {
  /** Redis confirmed the subscription: what is published from now on arrives. Again after every reconnect. */
  confirmed(partition: number): void
  /** The connection is gone: nothing is confirmed any more. */
  interrupted(): void
  message(partition: number, bytes: Uint8Array): void
}

export interface SubscriberOptions {
  readonly prefix: string
  readonly create: () => RedisClient
  readonly clock: Clock
  readonly logger: Logger
  readonly listener: SubscriberListener
}

/** The live channels of the partitions that this worker wants, over one connection to Redis. */
export class Subscriber {
  private readonly options: SubscriberOptions
  private readonly connection: Connection
  /** Partitions wanted, by channel. */
  private readonly channels = new Map<string, number>()

  constructor(options: SubscriberOptions) {
    this.options = options
    this.connection = new Connection({
      role: 'subscriber',
      create: options.create,
      clock: options.clock,
      logger: options.logger,
      up: (client) => this.up(client),
      down: () => options.listener.interrupted(),
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

  /** Wants a partition until `unsubscribe`, over every reconnect. */
  subscribe(partition: number): void {
    const channel = keys(this.options.prefix, partition).live
    this.channels.set(channel, partition)
    const { client } = this.connection
    if (client !== null) this.request(client, channel, partition)
  }

  unsubscribe(partition: number): void {
    const channel = keys(this.options.prefix, partition).live
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
      const partition = this.channels.get(channel.toString())
      if (partition !== undefined) this.options.listener.message(partition, bytes)
    }
    if (client.isCluster) client.on('smessageBuffer', receive)
    else (client as Redis).on('messageBuffer', receive)
    for (const [channel, partition] of this.channels) this.request(client, channel, partition)
  }

  private request(client: RedisClient, channel: string, partition: number): void {
    const confirmed = client.isCluster ? client.ssubscribe(channel) : client.subscribe(channel)
    confirmed.then(
      () => {
        if (this.connection.client !== client || this.channels.get(channel) !== partition) return
        this.options.listener.confirmed(partition)
      },
      (error: unknown) => {
        if (this.connection.client !== client) return
        const why = error instanceof Error ? error.message : 'unknown'
        this.connection.replace(`subscription refused: ${why}`)
      },
    )
  }
}
