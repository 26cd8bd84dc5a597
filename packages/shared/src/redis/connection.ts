import { Backoff } from '../runtime/backoff.js'
import type { Clock, Timer } from '../runtime/clock.js'
import type { RedisOutage } from './client.js'
import { ConnectionPair, type RedisServers } from './pair.js'
import { messageOf } from '../runtime/startup-error.js'

const PING_INTERVAL_MS = 500
const RECONNECT_DELAY_FIRST_MS = 50
/** Sessions wait for the connection, so the delay stays short however long Redis is away. */
const RECONNECT_DELAY_MAX_MS = 500
/** A connection that has served for so long is made anew without delay when it is lost. */
const STEADY_MS = 1_000

/** What is told about one channel; synchronous. */
export interface ChannelListener {
  /** Redis confirmed the subscription: what is published from now on arrives. Again after every reconnect. */
  confirmed?(): void
  /** The connection is gone: nothing is confirmed any more. */
  interrupted?(): void
  message(bytes: Uint8Array): void
}

export interface ReconnectingPairOptions {
  readonly servers: RedisServers
  /** Any key of the slot. */
  readonly key: string
  readonly clock: Clock
  readonly outage: RedisOutage
  /** It serves, or does not any more. */
  readonly changed: () => void
}

/** Keeps one pair of connections to Redis, with the channels wanted, and replaces it when it is of no use any more. */
export class ReconnectingPair {
  private readonly options: ReconnectingPairOptions
  private readonly channels = new Map<string, ChannelListener>()
  private pair: ConnectionPair | null = null
  private opened = false
  private servesSince: number | null = null
  private readonly backoff = new Backoff({
    firstMs: RECONNECT_DELAY_FIRST_MS,
    maxMs: RECONNECT_DELAY_MAX_MS,
    jitter: 0,
  })
  private pinging: Timer | null = null
  private reconnecting: Timer | null = null
  private stopped = false

  constructor(options: ReconnectingPairOptions) {
    this.options = options
    void this.connect()
    this.schedulePing()
  }

  stop(): void {
    this.stopped = true
    this.pinging?.cancel()
    this.reconnecting?.cancel()
    this.pair?.end()
    this.pair = null
    this.options.outage.works(this.options.key)
  }

  /** Redis takes commands, as far as is known. */
  get serves(): boolean {
    return this.servesSince !== null
  }

  /** For commands; null while there is no connection. */
  get commands(): ConnectionPair | null {
    return this.opened ? this.pair : null
  }

  /** Wants a channel until `unsubscribe`, over every reconnect. */
  subscribe(channel: string, listener: ChannelListener): void {
    this.channels.set(channel, listener)
    if (this.opened) this.request(this.pair, channel, listener)
  }

  /** How many channels are still wanted. */
  unsubscribe(channel: string): number {
    this.channels.delete(channel)
    // One that fails is replaced, and the next one does not subscribe.
    if (this.opened) this.pair?.unsubscribe(channel).catch(() => undefined)
    return this.channels.size
  }

  /** Messages that were published did not arrive. */
  subscriptionStale(): void {
    if (this.pair?.redirected === false) this.pair.giveUp('published messages do not arrive')
  }

  private async connect(): Promise<void> {
    const { servers, key } = this.options
    try {
      const node = (await servers.locate?.(key)) ?? null
      if (this.stopped) return
      const pair = new ConnectionPair({
        servers,
        node,
        key,
        opened: () => this.open(pair),
        serves: () => this.serve(),
        failed: (why) => this.replace(why),
        message: (channel, bytes) => this.channels.get(channel.toString())?.message(bytes),
      })
      this.pair = pair
    } catch (error) {
      if (!this.stopped) this.replace(messageOf(error))
    }
  }

  private open(pair: ConnectionPair): void {
    this.opened = true
    for (const [channel, listener] of this.channels) this.request(pair, channel, listener)
  }

  private request(pair: ConnectionPair | null, channel: string, listener: ChannelListener): void {
    pair?.subscribe(channel).then(
      () => {
        if (this.pair === pair && this.channels.get(channel) === listener) listener.confirmed?.()
      },
      (error: unknown) => pair.giveUp(`subscription refused: ${messageOf(error)}`),
    )
  }

  private serve(): void {
    const now = this.options.clock.monotonic()
    if (this.servesSince === null) {
      this.servesSince = now
      this.options.outage.works(this.options.key)
      this.options.changed()
    }
    if (now - this.servesSince >= STEADY_MS) this.backoff.reset()
  }

  private replace(why: string): void {
    const { clock, outage, key } = this.options
    outage.fails(key, why)
    const { opened, serves } = this
    this.pair = null
    this.opened = false
    this.servesSince = null
    this.reconnecting = clock.after(this.backoff.next(), () => void this.connect())
    if (opened) for (const listener of this.channels.values()) listener.interrupted?.()
    if (serves) this.options.changed()
  }

  private schedulePing(): void {
    this.pinging = this.options.clock.after(PING_INTERVAL_MS, () => {
      this.pair?.ping()
      if (!this.stopped) this.schedulePing()
    })
  }
}
