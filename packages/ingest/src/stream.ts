import type { ChannelModel } from 'amqplib'
import { close } from './close.js'

/**
 * The ordered log in the broker. The arguments below belong to the name: with other ones the broker answers
 * 406 for ever, so a change of any of them takes a new suffix.
 */
export const STREAM = 'wazo-websocketd.v1'

/** How far back the broker keeps messages, at least (retention works in whole segments). */
export const STREAM_AGE_MS_MAX = 600_000
const STREAM_LENGTH_BYTES_MAX = 1024 ** 3
/** Small, so that retention works in steps of seconds on a busy bus. */
const SEGMENT_BYTES_MAX = 16 * 1024 ** 2

export interface Topology {
  readonly stream: string
  readonly exchange: string
  readonly exchangeType: string
  /** The topic exchange that wazo-auth still publishes on; null: not bound. */
  readonly legacyExchange: string | null
}

/** The names of exchanges that are not there. Rejects when the broker does not say so. */
export async function missingExchanges(
  connection: ChannelModel,
  { exchange, legacyExchange }: Topology,
): Promise<string[]> {
  const missing: string[] = []
  for (const name of legacyExchange === null ? [exchange] : [exchange, legacyExchange]) {
    const channel = await connection.createChannel() // a miss closes the channel, so it is one of its own
    channel.on('error', () => undefined)
    try {
      await channel.checkExchange(name)
    } catch (error) {
      if ((error as { code?: unknown } | null)?.code !== 404) throw error
      missing.push(name)
      continue
    }
    await close(channel)
  }
  return missing
}

/**
 * Declares exchanges and stream and binds them; idempotent. RabbitMQ puts one copy of a message into the
 * stream even when several bindings match. Rejects with the broker's error.
 */
export async function declareTopology(connection: ChannelModel, topology: Topology): Promise<void> {
  const channel = await connection.createChannel()
  channel.on('error', () => undefined) // the rejected call says it
  const { stream, exchange, legacyExchange } = topology
  await channel.assertExchange(exchange, topology.exchangeType, { durable: true })
  if (legacyExchange !== null) await channel.assertExchange(legacyExchange, 'topic', { durable: true })
  await channel.assertQueue(stream, {
    durable: true,
    arguments: {
      'x-queue-type': 'stream',
      'x-max-age': `${STREAM_AGE_MS_MAX / 1000}s`,
      'x-max-length-bytes': STREAM_LENGTH_BYTES_MAX,
      'x-stream-max-segment-size-bytes': SEGMENT_BYTES_MAX,
    },
  })
  // A headers exchange ignores the key and matches everything without arguments; a topic one needs `#`.
  await channel.bindQueue(stream, exchange, '#')
  if (legacyExchange !== null) await channel.bindQueue(stream, legacyExchange, '#')
  await close(channel)
}
