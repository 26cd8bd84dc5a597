/** What the reference server remembers of the bus for sessions with positions: everything, in memory. */
import type { Channel } from 'amqplib'
import { randomUUID } from 'node:crypto'
import { readEvent, type Bug, type Event } from './reference-rights.js'

const SECONDS = 120

/** All events since the server's start, numbered from 1. */
export class ReferenceLog {
  readonly seconds = SECONDS
  readonly #numbering = randomUUID()
  readonly #events: Event[] = []
  readonly #followers = new Set<() => void>()

  /** Resolves when nothing published from now on is missed. */
  static async open(channel: Channel, uuid: string, bug: Bug | undefined): Promise<ReferenceLog> {
    const log = new ReferenceLog()
    const { queue } = await channel.assertQueue('', { exclusive: true, autoDelete: true })
    await channel.bindQueue(queue, 'wazo-headers', '', {})
    await channel.bindQueue(queue, 'xivo', '#')
    await channel.consume(
      queue,
      (message) => {
        const headers = message?.properties.headers ?? {}
        const event = message && readEvent(message.content, headers, uuid, bug)
        if (!event) return
        log.#events.push(event)
        for (const follower of log.#followers) follower()
      },
      { noAck: true },
    )
    return log
  }

  get length(): number {
    return this.#events.length
  }

  /** The event of a number. */
  at(number: number): Event {
    return this.#events[number - 1]!
  }

  /** The position behind the event of a number; 0 is before the first. */
  idOf(number: number): string {
    return `${this.#numbering}.${number}`
  }

  /** The number of the event before a position, or why there is none. */
  find(id: string): number | 'none' | 'other epoch' | 'unknown' {
    if (id === '') return 'none'
    const [, numbering, number] = /^([0-9a-f-]{36})\.(\d+)$/.exec(id) ?? []
    if (numbering === undefined) return 'unknown'
    if (numbering !== this.#numbering) return 'other epoch'
    return Number(number) <= this.length ? Number(number) : 'unknown'
  }

  /** Calls `more` after each new event; returns a way to stop. */
  follow(more: () => void): () => void {
    this.#followers.add(more)
    return () => this.#followers.delete(more)
  }
}
