import type { Clock } from '../runtime/clock.js'
import type { RedisOutage } from './client.js'
import { ReconnectingPair, type ChannelListener } from './connection.js'
import type { RedisServers } from './pair.js'

export interface RedisConnectionsOptions {
  readonly servers: RedisServers
  readonly clock: Clock
  readonly outage: RedisOutage
  /** All of them serve, or not. */
  readonly connected: (up: boolean) => void
}

/**
 * Connects this worker with one server, or in a cluster with the node of each slot it needs, whatever becomes of
 * others.
 */
export class RedisConnections {
  private readonly options: RedisConnectionsOptions
  /** By hash tag; a single server has one connection for all. */
  private readonly byTag = new Map<string, ReconnectingPair>()

  constructor(options: RedisConnectionsOptions) {
    this.options = options
    this.review()
  }

  /** Whether one channel may be served while another is not. */
  get independent(): boolean {
    return this.options.servers.locate !== null
  }

  /** Wants a channel until `unsubscribe`, over every reconnect. */
  subscribe(channel: string, listener: ChannelListener): void {
    const tag = this.tagOf(channel)
    let connection = this.byTag.get(tag)
    if (connection === undefined) {
      connection = new ReconnectingPair({ ...this.options, key: channel, changed: () => this.review() })
      this.byTag.set(tag, connection)
      this.review()
    }
    connection.subscribe(channel, listener)
  }

  unsubscribe(channel: string): void {
    const connection = this.at(channel)
    if (connection?.unsubscribe(channel) !== 0) return
    connection.stop()
    this.byTag.delete(this.tagOf(channel))
    this.review()
  }

  /** The connection to the slot of a channel. */
  at(channel: string): ReconnectingPair | undefined {
    return this.byTag.get(this.tagOf(channel))
  }

  stop(): void {
    for (const connection of this.byTag.values()) connection.stop()
    this.byTag.clear()
  }

  private tagOf(channel: string): string {
    return !this.independent ? '' : (/\{(.+?)\}/.exec(channel)?.[1] ?? channel)
  }

  private review(): void {
    const up = this.byTag.size > 0 && [...this.byTag.values()].every(({ serves }) => serves)
    this.options.connected(up)
  }
}
