/** Publishes the events of a run, and reads the broker's stream beside the ingests: what was sent, and in which order. */
import { connect, type ChannelModel, type ConfirmChannel } from 'amqplib'
import { customEvent, HEADERS_EXCHANGE, LEGACY_EXCHANGE } from '../../support/publish.js'
import type { Published, Shape, Streamed } from '../../support/checker/history.js'
import { now } from './clock.js'
import { StreamReader } from './stream-reader.js'

const RECONNECT_MS = 200

/** What a bus tells while it runs. */
export interface BusRecord {
  published(event: Published): void
  confirmed(id: number, at: number): void
  streamed(message: Streamed): void
}

/** One connection at a time, made again whenever it breaks, to the broker's nodes in turn; what is sent meanwhile is not sent at all. */
export class Bus {
  private readonly urls: readonly string[]
  private tries = 0
  private readonly record: BusRecord
  private readonly seen = new Set<number>()
  private connection: ChannelModel | null = null
  private channel: ConfirmChannel | null = null
  private nextId = 1
  private open = true
  private confirmedId = 0
  private readonly reader: StreamReader

  private constructor(urls: readonly string[], record: BusRecord) {
    this.urls = urls
    this.record = record
    this.reader = new StreamReader(urls, {
      read: (body, offset) => this.read(body, offset),
      isBehind: () => this.confirmedId > 0 && !this.seen.has(this.confirmedId),
    })
  }

  static async open(urls: readonly string[], record: BusRecord): Promise<Bus> {
    const bus = new Bus(urls, record)
    await bus.connect()
    return bus
  }

  /** The latest event that the broker has confirmed; 0: none. */
  get lastConfirmed(): number {
    return this.confirmedId
  }

  /** Sends an event of a shape. Null: the broker is away. */
  publish(number: number, shape: Shape, revokes?: string): number | null {
    if (this.channel === null) return null
    const id = this.nextId++
    const { name, tenant, users, everyone, requiredAcl, poison } = shape
    const { exchange, routingKey, headers, body } = customEvent({
      name,
      tenant,
      users,
      everyone,
      // Without a required_acl an event is for nobody, and dropped.
      ...(poison === true ? {} : { requiredAcl }),
      data: revokes === undefined ? { n: id } : { uuid: revokes, n: id },
    })
    this.record.published({
      id,
      shape: number,
      sentAt: now(),
      confirmedAt: null,
      ...(revokes && { revokes }),
    })
    this.channel.publish(
      exchange,
      routingKey,
      body,
      { headers: { ...headers }, persistent: false },
      (error) => {
        if (error) return
        this.confirmedId = Math.max(this.confirmedId, id)
        this.record.confirmed(id, now())
      },
    )
    return id
  }

  async close(): Promise<void> {
    this.open = false
    this.reader.close()
    const { connection } = this
    this.lost()
    await connection?.close().catch(() => undefined)
  }

  private async connect(): Promise<void> {
    if (!this.open) return
    const { hostname, port, username, password, pathname } = new URL(
      this.urls[this.tries++ % this.urls.length]!,
    )
    const vhost = decodeURIComponent(pathname.slice(1))
    const connection = await connect(
      { hostname, port: Number(port), username, password, vhost, heartbeat: 5 },
      { noDelay: true, clientProperties: { connection_name: 'load' } },
    )
    connection.on('error', () => undefined)
    connection.once('close', () => {
      this.lost()
      void this.reconnect()
    })
    try {
      const channel = await connection.createConfirmChannel()
      channel.on('error', () => undefined)
      await channel.assertExchange(HEADERS_EXCHANGE, 'headers', { durable: true })
      await channel.assertExchange(LEGACY_EXCHANGE, 'topic', { durable: true })
      this.connection = connection
      this.channel = channel
    } catch (error) {
      await connection.close().catch(() => undefined)
      throw error
    }
  }

  private read(body: Buffer, offset: number): void {
    const id = idIn(body)
    if (id === null || this.seen.has(id)) return
    this.seen.add(id)
    this.record.streamed({ id, offset, seenAt: now() })
  }

  private lost(): void {
    this.connection = null
    this.channel = null
  }

  private async reconnect(): Promise<void> {
    while (this.open && this.channel === null) {
      await new Promise((resolve) => setTimeout(resolve, RECONNECT_MS))
      try {
        await this.connect()
      } catch {
        // the broker is still away, or not yet itself again
      }
    }
  }
}

/** The number of an event of a run; null: something else, such as an ingest's canary. */
export function idIn(body: Buffer): number | null {
  try {
    const { data } = JSON.parse(body.toString('utf8')) as { data?: { n?: unknown } }
    return typeof data?.n === 'number' ? data.n : null
  } catch {
    return null
  }
}
