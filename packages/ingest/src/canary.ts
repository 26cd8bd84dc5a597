import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib'
import type { Clock, Timer } from '@wazo-websocketd/shared/runtime/clock'
import { close } from './close.js'

const CANARY_HEADER = 'x-wazo-websocketd-canary'
const SENT_HEADER = 'x-wazo-websocketd-sent'

export interface CanaryOptions {
  readonly stream: string
  /** Identity of this ingest, unique per start. */
  readonly ingest: string
  readonly intervalMs: number
}

/**
 * A message of one's own through the stream each second: it measures the lag, tells when the backlog is
 * worked off, and moves every head on an idle bus. It has its own connection, because a broker short of
 * memory or disk stops reading from connections that publish, and the consuming one must go on.
 */
export class Canary {
  private readonly options: CanaryOptions
  private readonly clock: Clock
  private readonly connect: () => Promise<ChannelModel>
  private connection: ChannelModel | null = null
  private channel: Channel | null = null
  private timer: Timer | null = null
  private count = 0
  private stopped = false
  private ticking = false
  private isBlocked = false
  private oldestUnheard: number | null = null

  constructor(options: CanaryOptions, clock: Clock, connect: () => Promise<ChannelModel>) {
    this.options = options
    this.clock = clock
    this.connect = connect
  }

  /** The broker has stopped reading from publishers (memory or disk alarm). */
  get blocked(): boolean {
    return this.isBlocked
  }

  /**
   * Monotonic milliseconds at which the oldest canary was sent that should have been heard of and was not;
   * null: there is none, or the broker has an excuse.
   */
  get unheardSince(): number | null {
    return this.isBlocked ? null : this.oldestUnheard
  }

  /** The consumer gives signs of life: nothing that was sent so far is missed. */
  heard(): void {
    this.oldestUnheard = null
  }

  start(): void {
    void this.tick()
  }

  async stop(): Promise<void> {
    this.stopped = true
    this.timer?.cancel()
    if (this.connection !== null) await close(this.connection, this.clock)
  }

  /** Sends one now, or as soon as there is a connection: whoever asks for one has just been talking to the broker. */
  send(): void {
    if (this.stopped) return
    if (this.channel === null) void this.tick()
    else this.publish(this.channel)
  }

  /** Through the default exchange: straight into the stream. */
  private publish(channel: Channel): void {
    if (this.isBlocked) return
    this.count++
    this.oldestUnheard ??= this.clock.monotonic()
    const body = Buffer.from(JSON.stringify({ canary: this.options.ingest, n: this.count }))
    channel.publish('', this.options.stream, body, {
      headers: { [CANARY_HEADER]: this.options.ingest, [SENT_HEADER]: String(this.clock.monotonic()) },
      persistent: false,
    })
  }

  private async tick(): Promise<void> {
    if (this.ticking) return
    this.ticking = true
    this.timer?.cancel()
    try {
      if (this.channel === null) await this.open()
      if (this.channel !== null) this.publish(this.channel)
    } catch {
      this.drop() // the consuming connection reports what is wrong with the broker
    }
    this.ticking = false
    if (this.stopped) return
    this.timer = this.clock.after(this.options.intervalMs, () => void this.tick())
  }

  private async open(): Promise<void> {
    // The broker may have closed the channel alone.
    this.connection ??= await this.join()
    const channel = await this.connection.createChannel()
    channel.on('error', () => undefined)
    channel.on('close', () => this.channel === channel && this.lose())
    this.channel = channel
  }

  /** A new connection. Rejects when the broker does not take it, or this has been stopped meanwhile. */
  private async join(): Promise<ChannelModel> {
    const connection = await this.connect()
    if (this.stopped) {
      await close(connection, this.clock)
      throw new Error('stopped')
    }
    connection.on('blocked', () => (this.isBlocked = true))
    connection.on('unblocked', () => {
      this.isBlocked = false
      this.heard() // what was sent before is only read now
    })
    connection.on('close', () => this.connection === connection && this.drop())
    return connection
  }

  private drop(): void {
    const { connection } = this
    this.connection = null
    this.lose()
    this.isBlocked = false
    if (connection !== null) void close(connection, this.clock)
  }

  /** What was sent on the channel may never have got to the broker. */
  private lose(): void {
    this.channel = null
    this.heard()
  }
}

/** Whose canary a message is, and the sender's monotonic milliseconds; null: it is no canary. */
export function readCanary(message: ConsumeMessage): { ingest: string; sentAt: number } | null {
  if (message.fields.exchange !== '') return null
  const headers: Record<string, unknown> = message.properties.headers ?? {}
  const ingest = headers[CANARY_HEADER]
  if (typeof ingest !== 'string') return null
  return { ingest, sentAt: Number(headers[SENT_HEADER]) }
}
