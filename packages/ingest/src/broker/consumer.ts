import type { Channel, ChannelModel, ConsumeMessage, Message } from 'amqplib'
import type { Offset } from '@wazo-websocketd/shared/domain/position'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import { closeQuietly } from './channel.js'
import { MessageInbox } from './inbox.js'

export interface ConsumerOptions {
  readonly stream: string
  /** An offset, `next` (only what is published from now on) or `last` (the last chunk written). */
  readonly from: Offset | 'next' | 'last'
  /** Deliveries that may be unacknowledged; on a stream this is nothing but flow control. */
  readonly prefetch: number
}

/** Consumes the stream on a channel of its own. */
export class Consumer {
  readonly inbox: MessageInbox
  private readonly channel: Channel
  private readonly clock: Clock
  private open = true

  private constructor(channel: Channel, clock: Clock) {
    this.channel = channel
    this.clock = clock
    this.inbox = new MessageInbox(clock)
    channel.on('error', (error: Error) => this.end(`channel closed by the broker: ${error.message}`))
    channel.on('close', () => this.end('channel closed'))
  }

  /** Starts consuming. Rejects with the broker's error. */
  static async start(connection: ChannelModel, options: ConsumerOptions, clock: Clock): Promise<Consumer> {
    const channel = await connection.createChannel()
    const consumer = new Consumer(channel, clock)
    await channel.prefetch(options.prefetch)
    // amqplib calls with null when the broker cancels the consumer, for example as the stream is deleted.
    const onMessage = (message: ConsumeMessage | null): void => {
      if (message === null) consumer.end('consumer cancelled by the broker')
      else consumer.inbox.put(message)
    }
    await channel.consume(options.stream, onMessage, {
      noAck: false,
      arguments: { 'x-stream-offset': options.from },
    })
    return consumer
  }

  /** Gives back the credit of every delivery up to this one. */
  ack(deliveryTag: number): void {
    if (this.open) this.channel.ack({ fields: { deliveryTag } } as Message, true)
  }

  /** Stops consuming; never rejects. */
  async close(): Promise<void> {
    if (!this.open) return
    this.open = false
    await closeQuietly(this.channel, this.clock)
  }

  private end(why: string): void {
    this.open = false
    this.inbox.end(why)
  }
}
