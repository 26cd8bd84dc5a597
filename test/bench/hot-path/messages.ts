import type { ConsumeMessage } from 'amqplib'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const EVENTS = fileURLToPath(new URL('../../../packages/ingest/samples/events.json', import.meta.url))

interface Recorded {
  readonly headers: Readonly<Record<string, unknown>>
  readonly body: object
}

/** Real events of a Wazo, over and over, numbered as the stream numbers them. */
export class Messages {
  private readonly pool: readonly ConsumeMessage[]
  /** Of the message delivered last. */
  offset = 0

  constructor() {
    const recorded = JSON.parse(readFileSync(EVENTS, 'utf8')) as Recorded[]
    this.pool = recorded.map(({ headers, body }) => messageOf(headers, Buffer.from(JSON.stringify(body))))
  }

  /** The next one. It is valid until its turn comes again: whoever takes it reads number and headers at once. */
  next(): ConsumeMessage {
    const message = this.pool[this.offset % this.pool.length]!
    this.offset++
    message.fields.deliveryTag = this.offset
    message.properties.headers!['x-stream-offset'] = this.offset
    return message
  }
}

function messageOf(headers: Recorded['headers'], content: Buffer): ConsumeMessage {
  const fields = {
    exchange: 'wazo-headers',
    routingKey: '',
    redelivered: false,
    deliveryTag: 0,
    consumerTag: 'c',
  }
  return { fields, properties: { headers: { ...headers, 'x-stream-offset': 0 } }, content } as never
}
