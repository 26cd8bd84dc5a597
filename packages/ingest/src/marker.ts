import type { ChannelModel } from 'amqplib'
import type { Epoch } from '@wazo-websocketd/shared/domain/identity'
import { close } from './close.js'

/**
 * A queue that does not survive a restart of the broker: while it exists, the broker has been running since
 * the epoch began, and every event that it took is in the stream.
 */
export class Markers {
  /** Declared here for epochs that may never have come into force. */
  private readonly declared = new Set<Epoch>()
  private readonly stream: string

  constructor(stream: string) {
    this.stream = stream
  }

  /** Whether the epoch's marker is still there. Rejects when the broker does not answer. */
  async exists(connection: ChannelModel, epoch: Epoch): Promise<boolean> {
    const channel = await connection.createChannel() // a miss closes the channel, so it is one of its own
    channel.on('error', () => undefined)
    try {
      await channel.checkQueue(this.name(epoch))
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 404 && !/home node/.test(error.message))
        return false
      throw error
    }
    await close(channel)
    return true
  }

  async declare(connection: ChannelModel, epoch: Epoch): Promise<void> {
    this.declared.add(epoch)
    const channel = await connection.createChannel()
    channel.on('error', () => undefined)
    await channel.assertQueue(this.name(epoch), { durable: false, exclusive: false, autoDelete: false })
    await close(channel)
  }

  /** Deletes one; best effort. */
  async remove(connection: ChannelModel, epoch: Epoch): Promise<void> {
    this.declared.delete(epoch)
    try {
      const channel = await connection.createChannel()
      channel.on('error', () => undefined)
      await channel.deleteQueue(this.name(epoch))
      await close(channel)
    } catch {
      // The broker deletes it at its next restart at the latest.
    }
  }

  /** `epoch` is in force: removes what this ingest declared for others, such as after a lost answer. */
  async settle(connection: ChannelModel, epoch: Epoch): Promise<void> {
    for (const other of this.declared) if (other !== epoch) await this.remove(connection, other)
    this.declared.delete(epoch)
  }

  private name(epoch: Epoch): string {
    return `${this.stream.replace(/\.v\d+$/, '')}.marker.${epoch}`
  }
}
