/** The others' side of the bus: their own exchange and queue. */
import { connect, type Channel, type ConsumeMessage, type Message } from 'amqplib'
import { STREAM_AGE_MS_MAX } from '@wazo-websocketd/ingest/broker/topology'

export const PREFETCH = 250

export type QueueType = 'classic' | 'stream'

/**
 * Hears what is published on `exchange` from now on, through a queue of the name that the exchange has. The stream has
 * the arguments that the ingest's has. Acknowledges up to the last of what came in one tick.
 */
export async function listen(
  url: string,
  exchange: string,
  type: QueueType,
  onMessage: (message: ConsumeMessage) => void,
): Promise<void> {
  const connection = await connect(url, { noDelay: true })
  const channel = await connection.createChannel()
  await declare(channel, exchange, type)
  await channel.prefetch(PREFETCH)
  let last: Message | null = null
  const acknowledge = () => {
    if (last !== null) channel.ack(last, true)
    last = null
  }
  const take = (message: ConsumeMessage | null): void => {
    if (message === null) throw new Error(`the broker has cancelled the consumer of ${exchange}`)
    if (last === null) setImmediate(acknowledge)
    last = message
    onMessage(message)
  }
  const args = type === 'stream' ? { arguments: { 'x-stream-offset': 'next' } } : {}
  await channel.consume(exchange, take, { noAck: false, ...args })
}

async function declare(channel: Channel, exchange: string, type: QueueType): Promise<void> {
  await channel.assertExchange(exchange, 'headers', { durable: true })
  const stream = {
    'x-queue-type': 'stream',
    'x-max-age': `${STREAM_AGE_MS_MAX / 1_000}s`,
    'x-max-length-bytes': 1024 ** 3,
    'x-stream-max-segment-size-bytes': 16 * 1024 ** 2,
  }
  await channel.assertQueue(exchange, { durable: true, ...(type === 'stream' ? { arguments: stream } : {}) })
  await channel.bindQueue(exchange, exchange, '#')
}
