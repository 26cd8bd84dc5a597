import type { ChannelModel } from 'amqplib'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import { readCanary, type CanarySender } from '../broker/canary.js'
import { Consumer } from '../broker/consumer.js'
import { fingerprint } from '../normalise/delivery.js'
import { headerOffset } from '../normalise/numbering.js'
import type { Status } from '../status/status.js'
import type { Timings } from '../timings.js'
import type { StreamMark } from './history.js'
import type { NewEpochReason } from './plan.js'

export interface StreamCheckOptions extends Pick<Timings, 'messageTimeoutMs' | 'canaryTimeoutMs'> {
  readonly stream: string
  readonly prefetch: number
  readonly ingest: string
}

export interface StreamCheckParts {
  readonly canary: Pick<CanarySender, 'sendBeat'>
  readonly status: Status
  readonly clock: Clock
}

/** Checks that the stream still holds the message that a head names. */
export class StreamCheck {
  private readonly options: StreamCheckOptions
  private readonly parts: StreamCheckParts

  constructor(options: StreamCheckOptions, parts: StreamCheckParts) {
    this.options = options
    this.parts = parts
  }

  /** Whether the consumer begins with the very message at `at`. RabbitMQ reports nothing when it cannot. */
  async verify(
    connection: ChannelModel,
    consumer: Consumer,
    at: StreamMark,
  ): Promise<'ok' | 'retry' | NewEpochReason> {
    const { inbox } = consumer
    const { messageTimeoutMs } = this.options
    const first = await inbox.next(messageTimeoutMs)
    if (first === null) return this.verifyEnd(connection, at)
    const offset = headerOffset(first)
    if (fingerprint(first.content) !== at.fingerprint)
      return offset !== null && offset > at.offset ? 'trimmed' : 'recreated'
    if (offset !== at.offset) {
      // Its publisher may have sent the header, or it is the same once more at a later place: what follows shows that.
      const second = await inbox.next(messageTimeoutMs)
      if (second === null) return this.retry(`the broker gives nothing behind offset ${at.offset}`)
      inbox.putBack(second)
      if ((headerOffset(second) ?? Infinity) > at.offset + 2) return 'trimmed'
    }
    consumer.ack(first.fields.deliveryTag)
    return 'ok'
  }

  /** Explains silence at head: a recreated stream ends below it; otherwise the broker is only slow. */
  private async verifyEnd(connection: ChannelModel, at: StreamMark): Promise<'retry' | 'recreated'> {
    const { stream, prefetch } = this.options
    const last = await Consumer.start(connection, { stream, prefetch, from: 'last' }, this.parts.clock)
    try {
      const end = await this.ownCanary(last)
      if (end === null) return this.retry('no message of our own comes through the stream: has it a leader?')
      if (end.offset < at.offset) return 'recreated'
      return this.retry(
        `the broker does not give the message at offset ${at.offset}, though it has later ones`,
      )
    } finally {
      await last.close()
    }
  }

  private retry(why: string): 'retry' {
    this.parts.status.failed('broker', why)
    return 'retry'
  }

  /** The mark of the first own canary that is sent from now on; null: none comes in time. */
  async ownCanary(consumer: Consumer): Promise<StreamMark | null> {
    const { canary, clock } = this.parts
    const { ingest, canaryTimeoutMs } = this.options
    const since = clock.monotonic()
    const until = since + canaryTimeoutMs
    canary.sendBeat()
    for (let remaining = canaryTimeoutMs; remaining > 0; remaining = until - clock.monotonic()) {
      const message = await consumer.inbox.next(remaining)
      if (message === null) return null
      consumer.ack(message.fields.deliveryTag)
      const offset = headerOffset(message)
      const read = readCanary(message)
      if (offset !== null && read?.ingest === ingest && read.sentAt >= since)
        return { offset, fingerprint: fingerprint(message.content) }
    }
    return null
  }
}
