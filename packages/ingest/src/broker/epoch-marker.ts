import type { Channel, ChannelModel } from 'amqplib'
import type { Epoch } from '@wazo-websocketd/shared/domain/position'
import { close } from './close.js'

/** A marker that is there and in use. */
export interface MarkerWatch {
  readonly queue: string
  /** Messages that have come out of it. */
  readonly ticks: number
  /** Calls `task` once, when the marker is gone while the connection is not. */
  whenGone(task: () => void): void
  /** Watches no more; never rejects. */
  close(): Promise<void>
}

/**
 * A queue that does not survive a restart of its node: while it exists, that node has been running since the
 * epoch began, and every event that it took is in the stream. Each attached ingest consumes it: so no policy removes it
 * as unused, and its end is told at once.
 */
export class EpochMarkers {
  /** Declared here for epochs that may never have come into force. */
  private readonly declared = new Set<Epoch>()
  private readonly stream: string

  constructor(stream: string) {
    this.stream = stream
  }

  /** Watches the epoch's marker; null: it is not there. Rejects when the broker does not answer. */
  async watch(connection: ChannelModel, epoch: Epoch): Promise<MarkerWatch | null> {
    const channel = await openChannel(connection) // a miss closes the channel, so it is one of its own
    const queue = this.name(epoch)
    let ticks = 0
    let isGone = false
    let task: (() => void) | null = null
    const take = (message: unknown): void => {
      if (message !== null) {
        ticks++
        return
      }
      isGone = true
      task?.()
    }
    channel.on('close', () => take(null)) // whatever became of it, it is watched no more
    try {
      await channel.consume(queue, take, { noAck: true })
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 404 && !/home node/.test(error.message))
        return null
      throw error
    }
    return {
      queue,
      get ticks() {
        return ticks
      },
      whenGone(then) {
        task = then
        if (isGone) then()
      },
      async close() {
        task = null
        await close(channel)
      },
    }
  }

  async declare(connection: ChannelModel, epoch: Epoch): Promise<void> {
    this.declared.add(epoch)
    const channel = await openChannel(connection)
    const options = { durable: false, exclusive: false, autoDelete: false }
    // A virtual host may have another type by default.
    await channel.assertQueue(this.name(epoch), { ...options, arguments: { 'x-queue-type': 'classic' } })
    await close(channel)
  }

  /** Deletes one; best effort. */
  async remove(connection: ChannelModel, epoch: Epoch): Promise<void> {
    this.declared.delete(epoch)
    try {
      const channel = await openChannel(connection)
      await channel.deleteQueue(this.name(epoch))
      await close(channel)
    } catch {
      // The broker deletes it at its next restart at the latest.
    }
  }

  /** `epoch` is in force: removes what this ingest declared for others, such as after a lost answer. */
  async settle(connection: ChannelModel, epoch: Epoch | null): Promise<void> {
    for (const other of this.declared) if (other !== epoch) await this.remove(connection, other)
    if (epoch !== null) this.declared.delete(epoch)
  }

  private name(epoch: Epoch): string {
    return `${this.stream.replace(/\.v\d+$/, '')}.marker.${epoch}`
  }
}

async function openChannel(connection: ChannelModel): Promise<Channel> {
  const channel = await connection.createChannel()
  channel.on('error', () => undefined) // the rejected call says it
  return channel
}
