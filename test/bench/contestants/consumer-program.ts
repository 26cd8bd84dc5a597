/** The least that reads a stream: amqplib, one acknowledgement per tick, nothing else. */
import { answerParent } from '../hot-path/peer.js'
import { listen } from './bus.js'

export type ToConsumer =
  | { readonly do: 'start'; readonly amqpUrl: string; readonly exchange: string }
  /** How many messages have come. */
  | { readonly do: 'count' }

let messages = 0

answerParent(async (asked) => {
  const order = asked as ToConsumer
  if (order.do === 'count') return messages
  await listen(order.amqpUrl, order.exchange, 'stream', () => messages++)
  return process.pid
})
