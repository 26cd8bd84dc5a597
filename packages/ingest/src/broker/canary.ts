import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib'
import type { Clock, Timer } from '@wazo-websocketd/shared/runtime/clock'
import type { CanaryNumber } from '../publish/continuity.js'

const CANARY_HEADER = 'x-wazo-websocketd-canary'
const SENT_HEADER = 'x-wazo-websocketd-sent'
const NUMBER_HEADER = 'x-wazo-websocketd-number'
const FIRST_HEADER = 'x-wazo-websocketd-first'
const BEAT_HEADER = 'x-wazo-websocketd-beat'

const TICK = Buffer.alloc(0)

export interface CanaryOptions {
  readonly stream: string
  /** Identity of this ingest, unique per start. */
  readonly ingest: string
  /** Between two canaries. */
  readonly intervalMs: number
  /** Between two beats. */
  readonly beatMs: number
}

/** A canary as it comes out of the stream. */
export interface CanaryMessage extends CanaryNumber {
  readonly ingest: string
  /** The sender's monotonic milliseconds. */
  readonly sentAt: number
  /** A beat makes the heads move; other canaries travel along with what does. */
  readonly beat: boolean
}

/**
 * Sends messages of the ingest's own through the stream, over a connection of their own: a broker short of memory or disk stops
 * reading from connections that publish, and the consuming one must go on. Beats, one a second, measure the lag, show
 * when the backlog is worked off, and move every head on an idle bus; the numbers of all show whether the stream loses
 * messages (`Continuity`). With each canary a tick goes to the epoch's marker, a queue in memory: it comes back even when the
 * stream stands still.
 */
export class CanarySender {
  /** The queue to which ticks go; null: none are sent. */
  tickQueue: string | null = null
  private readonly options: CanaryOptions
  private readonly clock: Clock
  /** Called when the broker refuses canaries. */
  private readonly onRefused: (error: Error) => void
  private connection: ChannelModel | null = null
  private channel: Channel | null = null
  private timer: Timer | null = null
  private count = 0
  private first = 0
  private beatAt = 0
  private isBlocked = false
  private isOpening = false

  constructor(options: CanaryOptions, clock: Clock, onRefused: (error: Error) => void) {
    this.options = options
    this.clock = clock
    this.onRefused = onRefused
  }

  /** The broker has stopped reading from publishers (memory or disk alarm). */
  get blocked(): boolean {
    return this.isBlocked
  }

  /** Whether canaries go out. */
  get sending(): boolean {
    return this.channel !== null && !this.isBlocked
  }

  /** Sends over `connection` from now on. Rejects when the broker gives no channel. */
  async start(connection: ChannelModel): Promise<void> {
    this.stop()
    this.connection = connection
    connection.on('blocked', () => this.connection === connection && (this.isBlocked = true))
    connection.on('unblocked', () => this.connection === connection && (this.isBlocked = false))
    await this.open(connection)
    this.sendNext()
  }

  /** Stops sending; closing the connection is left to its owner. */
  stop(): void {
    this.timer?.cancel()
    this.connection = null
    this.channel = null
    this.isBlocked = false
  }

  /** Sends a beat now, for a caller that waits for one. */
  sendBeat(): void {
    this.beatAt = this.clock.monotonic()
    this.publish(true)
  }

  private sendNext(): void {
    if (this.connection === null) return
    const isBeatDue = this.clock.monotonic() - this.beatAt >= this.options.beatMs
    if (isBeatDue && this.channel === null && !this.isOpening) {
      this.isOpening = true
      const opened = (): void => void (this.isOpening = false)
      this.open(this.connection).then(opened, opened)
    }
    if (isBeatDue) this.sendBeat()
    else this.publish(false)
    this.timer = this.clock.after(this.options.intervalMs, () => this.sendNext())
  }

  private async open(connection: ChannelModel): Promise<void> {
    const channel = await connection.createChannel()
    if (this.connection !== connection) return
    channel.on('error', (error: Error) => this.onRefused(error))
    channel.on('close', () => this.channel === channel && (this.channel = null))
    this.first = this.count + 1
    this.channel = channel
  }

  /** Publishes through the default exchange: straight into the stream. */
  private publish(beat: boolean): void {
    if (this.channel === null || this.isBlocked) return
    const { stream, ingest } = this.options
    const n = ++this.count
    if (this.tickQueue !== null) this.channel.publish('', this.tickQueue, TICK, { persistent: false })
    this.channel.publish('', stream, Buffer.from(JSON.stringify({ canary: ingest, n })), {
      headers: {
        [CANARY_HEADER]: ingest,
        [SENT_HEADER]: String(this.clock.monotonic()),
        [NUMBER_HEADER]: n,
        [FIRST_HEADER]: this.first,
        [BEAT_HEADER]: beat,
      },
      persistent: false,
    })
  }
}

/** Reads a canary of any ingest; null: the message is none. */
export function readCanary(message: ConsumeMessage): CanaryMessage | null {
  if (message.fields.exchange !== '') return null
  const headers: Record<string, unknown> = message.properties.headers ?? {}
  const ingest = headers[CANARY_HEADER]
  if (typeof ingest !== 'string') return null
  return {
    ingest,
    sentAt: Number(headers[SENT_HEADER]),
    n: Number(headers[NUMBER_HEADER]),
    first: Number(headers[FIRST_HEADER]),
    beat: headers[BEAT_HEADER] !== false,
  }
}
