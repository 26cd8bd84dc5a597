/** Publishing of Wazo events, as Wazo's daemons do it. */
import { connect, type ChannelModel, type ConfirmChannel } from 'amqplib'
import { WAZO_UUID } from './environment.js'

export const HEADERS_EXCHANGE = 'wazo-headers'
export const LEGACY_EXCHANGE = 'xivo'

/** A message as it goes onto the bus. Its body is text exactly as it stands, or bytes. */
export interface BusMessage {
  readonly exchange?: string
  readonly routingKey?: string
  /** null: a message without a header table. */
  readonly headers: Readonly<Record<string, unknown>> | null
  readonly body: string | Buffer
}

/** A connection to the message bus. */
export class Bus {
  readonly #connection: ChannelModel
  readonly #channel: ConfirmChannel

  private constructor(connection: ChannelModel, channel: ConfirmChannel) {
    this.#connection = connection
    this.#channel = channel
  }

  /** Connects, and declares both exchanges in case no daemon has yet. */
  static async open(amqpUrl: string): Promise<Bus> {
    const connection = await connect(amqpUrl, { noDelay: true })
    const channel = await connection.createConfirmChannel()
    await channel.assertExchange(HEADERS_EXCHANGE, 'headers', { durable: true })
    await channel.assertExchange(LEGACY_EXCHANGE, 'topic', { durable: true })
    return new Bus(connection, channel)
  }

  /** Publishes in the order given; resolves when the broker has taken all. */
  async publish(...messages: BusMessage[]): Promise<void> {
    for (const { exchange, routingKey, headers, body } of messages) {
      this.#channel.publish(exchange ?? HEADERS_EXCHANGE, routingKey ?? '', Buffer.from(body), {
        contentType: 'application/json',
        contentEncoding: 'utf-8',
        deliveryMode: 1,
        timestamp: Date.now() * 1000,
        ...(headers === null ? {} : { headers: { ...headers } }),
      })
    }
    await this.#channel.waitForConfirms()
  }

  /** Lets everything on the legacy exchange reach the headers exchange too, as some daemons do; gives back a way to undo it. */
  async bridgeExchanges(): Promise<() => Promise<void>> {
    await this.#channel.bindExchange(HEADERS_EXCHANGE, LEGACY_EXCHANGE, '#')
    return async () => {
      await this.#channel.unbindExchange(HEADERS_EXCHANGE, LEGACY_EXCHANGE, '#')
    }
  }

  async close(): Promise<void> {
    await this.#connection.close()
  }
}

/** The keys of an event; undefined leaves a key out. */
export interface EventKeys {
  readonly name: string
  readonly tenant?: string | null
  readonly origin?: unknown
  /** Headers `user_uuid:<key>` with value true. */
  readonly users?: readonly string[]
  readonly everyone?: boolean
  /** Default null; `MISSING` leaves the key out. */
  readonly acl?: unknown
  readonly data?: unknown
}

/** Leaves `required_acl` out. */
export const MISSING = Symbol('missing')

let serial = 0

/** Headers and body of an event as Wazo's libraries write it: the body repeats the headers next to `data`. */
export function wazoEvent(keys: EventKeys): BusMessage & { readonly body: string } {
  const headers: Record<string, unknown> = { name: keys.name, origin_uuid: keys.origin ?? WAZO_UUID }
  if (typeof keys.tenant === 'string') headers['tenant_uuid'] = keys.tenant
  for (const user of keys.users ?? []) headers[`user_uuid:${user}`] = true
  if (keys.everyone) headers['user_uuid:*'] = true
  if (keys.acl !== MISSING) headers['required_acl'] = keys.acl ?? null
  const data = keys.data ?? { serial: ++serial }
  return { headers, body: JSON.stringify({ ...headers, data }) }
}

/** The same message with some headers set, or taken out where the value is undefined. */
export function withHeaders<T extends BusMessage>(message: T, headers: Record<string, unknown>): T {
  const all = Object.entries({ ...message.headers, ...headers })
  return { ...message, headers: Object.fromEntries(all.filter(([, value]) => value !== undefined)) }
}
