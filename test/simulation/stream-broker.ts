import type { Random } from '../support/scenario/random.js'
import type { Scheduler } from './scheduler.js'

/** A message as it stands in the stream. */
export interface StreamMessage {
  readonly offset: number
  readonly exchange: string
  readonly routingKey: string
  readonly headers: Readonly<Record<string, unknown>>
  readonly content: Buffer
  /** Scheduler's time at which it got there. */
  readonly at: number
}

type Draft = Omit<StreamMessage, 'offset' | 'at'>

/** A connection, on the broker's side. */
export interface BrokerConnection {
  break(): void
  /** The broker reads nothing more from it, or again. */
  blocked(is: boolean): void
}

/** A consumer of the stream, on the broker's side. */
export interface StreamConsumer {
  next: number
  credit: number
  send(messages: readonly StreamMessage[]): void
}

/** The broker writes what it gets after so long, milliseconds. */
const COMMIT_MS = [0.05, 1] as const
/** So many messages travel together at most. */
const CHUNK_MAX = 64
/** An offset is left out now and then, as where a segment ends. */
const SKIP_SHARE = 0.0005

/** Model of RabbitMQ as the project uses it: one stream, the exchanges bound to it, and queues in memory. */
export class StreamBroker {
  /** Takes connections. */
  up = true
  readonly exchanges = new Set<string>()
  /** Queues that do not survive a restart, and who consumes them; a message passes through. */
  readonly queues = new Map<string, Set<(message: Draft | null) => void>>()
  /** The name of the stream; null: it has not been declared. */
  stream: string | null = null
  /** Whether offsets are left out now and then. */
  skips = true
  private readonly messages: StreamMessage[] = []
  private nextOffset = 0
  private readonly consumers = new Set<StreamConsumer>()
  private readonly scheduler: Scheduler
  private readonly random: Random
  private readonly connections = new Set<BrokerConnection>()
  /** The stream has no leader: what is published is lost, and nothing is delivered. */
  private leaderless = false
  /** Times in which the stream had no leader, and whether anybody was attached then, at their begin and end. */
  readonly changes: { readonly from: number; readonly to: number; watched: boolean }[] = []
  /** Publishers are not read from (memory alarm): what they sent waits. */
  private waiting: (() => void)[] | null = null
  private committedAt = 0
  /** Called with each message that gets into the stream. */
  onCommit: (message: StreamMessage) => void = () => undefined

  constructor(scheduler: Scheduler, random: Random) {
    this.scheduler = scheduler
    this.random = random
  }

  joined(connection: BrokerConnection): void {
    this.connections.add(connection)
  }

  left(connection: BrokerConnection): void {
    this.connections.delete(connection)
  }

  /** Takes a message: to a queue in memory, or into the stream once it is written. `confirmed` is called then. */
  publish(message: Draft, confirmed: () => void = () => undefined): void {
    if (this.waiting !== null) {
      this.waiting.push(() => this.publish(message, confirmed))
      return
    }
    const queue = message.exchange === '' ? this.queues.get(message.routingKey) : undefined
    if (queue !== undefined) {
      for (const consumer of queue) consumer(message)
      return
    }
    if (this.stream === null || this.leaderless) return
    this.committedAt = Math.max(
      this.scheduler.now + this.random.between(...COMMIT_MS),
      this.committedAt + 1e-6,
    )
    this.scheduler.after(this.committedAt - this.scheduler.now, () => this.commit(message, confirmed), null)
  }

  consume(consumer: StreamConsumer): void {
    this.consumers.add(consumer)
    this.pump(consumer)
  }

  cancel(consumer: StreamConsumer): void {
    this.consumers.delete(consumer)
  }

  /** The offset at which a consumer begins; RabbitMQ begins with the first message there is where the asked one is gone. */
  startOf(from: unknown): number {
    if (from === 'next') return this.nextOffset
    const [first, last] = [this.messages[0]?.offset ?? this.nextOffset, this.messages.at(-1)?.offset]
    if (from === 'last') return last ?? this.nextOffset
    return Math.max(Number(from), first)
  }

  /** Sends what the consumer has credit for. */
  pump(consumer: StreamConsumer): void {
    while (consumer.credit > 0 && !this.leaderless && this.up && this.consumers.has(consumer)) {
      const from = this.indexOf(consumer.next)
      const chunk = this.messages.slice(from, from + Math.min(consumer.credit, CHUNK_MAX))
      const last = chunk.at(-1)
      if (last === undefined) return
      consumer.next = last.offset + 1
      consumer.credit -= chunk.length
      consumer.send(chunk)
    }
  }

  /** Ends all connections. */
  cut(): void {
    for (const connection of [...this.connections]) connection.break()
  }

  /** Goes down: connections end, and with them all that is only in memory. */
  stop(): void {
    this.up = false
    this.waiting = null
    this.cut()
    this.consumers.clear()
    this.queues.clear()
  }

  start(): void {
    this.up = true
  }

  /** The stream changes its leader, which takes `ms`. */
  changeLeader(ms: number): void {
    this.leaderless = true
    const { now } = this.scheduler
    const change = { from: now, to: now + ms, watched: this.consumers.size > 0 }
    this.changes.push(change)
    this.scheduler.after(
      ms,
      () => {
        this.leaderless = false
        change.watched &&= this.consumers.size > 0
        for (const consumer of this.consumers) this.pump(consumer)
      },
      null,
    )
  }

  /** A memory alarm begins or ends. */
  set blocked(is: boolean) {
    const { waiting } = this
    this.waiting = is ? (waiting ?? []) : null
    for (const connection of this.connections) connection.blocked(is)
    if (!is) for (const publish of waiting ?? []) publish()
  }

  /** Retention: forgets what is older than `ms`, but never the last message. */
  trim(ms: number): void {
    const kept = this.messages.findIndex(({ at }) => at >= this.scheduler.now - ms)
    this.messages.splice(0, kept === -1 ? this.messages.length - 1 : kept)
  }

  private commit(message: Draft, confirmed: () => void): void {
    if (!this.up || this.leaderless || this.stream === null) return
    if (this.skips && this.random.chance(SKIP_SHARE)) this.nextOffset++
    const written = { ...message, offset: this.nextOffset++, at: this.scheduler.now }
    this.messages.push(written)
    this.onCommit(written)
    confirmed()
    for (const consumer of this.consumers) this.pump(consumer)
  }

  private indexOf(offset: number): number {
    let [low, high] = [0, this.messages.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.messages[middle]!.offset < offset) low = middle + 1
      else high = middle
    }
    return low
  }
}
