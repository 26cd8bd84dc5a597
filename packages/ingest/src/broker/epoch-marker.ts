import type { Channel, ChannelModel } from 'amqplib'
import type { Epoch } from '@wazo-websocketd/shared/domain/position'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import { closeQuietly, NOT_FOUND, onChannel, openChannel, replyCode } from './channel.js'

/** A marker that exists and is consumed. */
export interface MarkerWatch {
  readonly queue: string
  /** Messages that have come out of the queue. */
  readonly ticks: number
  /** Calls `task` once, when the marker is gone while the connection is not. */
  onGone(task: () => void): void
  /** Ends the watch; never rejects. */
  close(): Promise<void>
}

/**
 * Declares, consumes and removes the markers of epochs. A marker is a queue that does not survive a restart of its
 * node: while it exists, that node has been running since the epoch began, and every event that it took is in the
 * stream. Each attached ingest consumes it, so that no policy removes it as unused and its end is known at once.
 */
export class EpochMarkers {
  /** Declared by this ingest for epochs that may never have come into force. */
  private readonly declared = new Set<Epoch>()
  private readonly stream: string
  private readonly clock: Clock

  constructor(stream: string, clock: Clock) {
    this.stream = stream
    this.clock = clock
  }

  /** Watches the epoch's marker; null: there is none. Rejects when the broker does not answer. */
  async watch(connection: ChannelModel, epoch: Epoch): Promise<MarkerWatch | null> {
    const channel = await openChannel(connection) // a missing queue closes the channel, so it is one of its own
    const { clock } = this
    const queue = this.queueOf(epoch)
    let ticks = 0
    let isGone = false
    let task: (() => void) | null = null
    const onMessage = (message: unknown): void => {
      if (message !== null) {
        ticks++
        return
      }
      isGone = true
      task?.()
    }
    channel.on('close', () => onMessage(null)) // the marker may still be there, but is no longer watched
    try {
      await channel.consume(queue, onMessage, { noAck: true })
    } catch (error) {
      if (error instanceof Error && replyCode(error) === NOT_FOUND && !/home node/.test(error.message))
        return null
      throw error
    }
    return {
      queue,
      get ticks() {
        return ticks
      },
      onGone(then) {
        task = then
        if (isGone) then()
      },
      async close() {
        task = null
        await closeQuietly(channel, clock)
      },
    }
  }

  async declare(connection: ChannelModel, epoch: Epoch): Promise<void> {
    this.declared.add(epoch)
    const options = { durable: false, exclusive: false, autoDelete: false }
    // A virtual host may have another type by default.
    const typed = { ...options, arguments: { 'x-queue-type': 'classic' } }
    const declare = (channel: Channel) => channel.assertQueue(this.queueOf(epoch), typed)
    await onChannel(connection, declare, this.clock)
  }

  /** Deletes a marker; best effort. */
  async remove(connection: ChannelModel, epoch: Epoch): Promise<void> {
    this.declared.delete(epoch)
    try {
      await onChannel(connection, (channel) => channel.deleteQueue(this.queueOf(epoch)), this.clock)
    } catch {
      // The broker deletes it at its next restart at the latest.
    }
  }

  /** Removes what this ingest declared for epochs other than `epoch`, the one in force: an answer may have been lost. */
  async removeOthers(connection: ChannelModel, epoch: Epoch | null): Promise<void> {
    for (const other of this.declared) if (other !== epoch) await this.remove(connection, other)
    if (epoch !== null) this.declared.delete(epoch)
  }

  private queueOf(epoch: Epoch): string {
    return `${this.stream.replace(/\.v\d+$/, '')}.marker.${epoch}`
  }
}
