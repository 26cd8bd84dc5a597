import { EventEmitter } from 'node:events'
import type { ChannelModel, ConsumeMessage } from 'amqplib'
import type { Random } from '../support/scenario/random.js'
import { Link } from './link.js'
import type { Scheduler, SimulatedProcess } from './scheduler.js'
import type { StreamBroker, StreamConsumer, StreamMessage } from './stream-broker.js'

interface Waiting {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
}

const NOT_FOUND = 404
const PRECONDITION_FAILED = 406
/** A connection without heartbeats ends after so long. */
export const HEARTBEATS_MS = 20_000

/** Opens a connection as amqplib does. Rejects when the broker is down. */
export function connectAmqp(
  scheduler: Scheduler,
  random: Random,
  broker: StreamBroker,
  process: SimulatedProcess,
): Promise<ChannelModel> {
  return new Promise((resolve, reject) => {
    const connection: AmqpConnection = new AmqpConnection(scheduler, random, broker, process, () => {
      reject(new Error('connect ECONNREFUSED'))
    })
    connection.link.up(() => {
      if (broker.up) connection.link.down(() => resolve(connection as unknown as ChannelModel))
      else connection.link.break()
    })
  })
}

/** What the project uses of amqplib's ChannelModel. */
export class AmqpConnection extends EventEmitter {
  readonly link: Link
  readonly broker: StreamBroker
  private readonly channels = new Set<AmqpChannel>()
  private closed = false

  constructor(
    scheduler: Scheduler,
    random: Random,
    broker: StreamBroker,
    process: SimulatedProcess,
    onFailure: () => void,
  ) {
    super()
    this.broker = broker
    this.link = new Link(scheduler, random, process, {
      client: () => {
        onFailure()
        this.end(new Error('Socket closed abruptly'))
      },
      server: () => {
        broker.left(this)
        for (const channel of this.channels) channel.dropped()
      },
    })
    broker.joined(this)
  }

  createChannel(): Promise<AmqpChannel> {
    if (this.closed) return Promise.reject(new Error('Connection closed'))
    const channel = new AmqpChannel(this)
    this.channels.add(channel)
    return channel.ask(() => channel) as Promise<AmqpChannel>
  }

  close(): Promise<void> {
    if (this.closed) return Promise.reject(new Error('Connection closed'))
    return new Promise((resolve) => {
      this.link.up(() =>
        this.link.down(() => {
          this.link.end()
          this.end()
          resolve()
        }),
      )
    })
  }

  blocked(is: boolean): void {
    this.link.down(() => this.emit(is ? 'blocked' : 'unblocked'))
  }

  /** The broker's side breaks it. */
  break(): void {
    this.link.break()
  }

  /** Its host has vanished; heartbeats notice that. */
  vanish(scheduler: Scheduler): void {
    this.link.block()
    scheduler.after(HEARTBEATS_MS, () => this.link.break(), null)
  }

  /** The broker closes its channels, as after a delivery that was not acknowledged in time. */
  refuseChannels(): void {
    const code = PRECONDITION_FAILED
    for (const channel of [...this.channels])
      channel.refuse(
        Object.assign(new Error(`Channel closed by server: ${code} (PRECONDITION_FAILED)`), { code }),
      )
  }

  forget(channel: AmqpChannel): void {
    this.channels.delete(channel)
  }

  private end(error?: Error): void {
    if (this.closed) return
    this.closed = true
    for (const channel of [...this.channels])
      channel.ended(new Error('Channel ended, no reply will be forthcoming'))
    this.emit('close', error)
  }
}

/** What the project uses of amqplib's Channel. */
export class AmqpChannel extends EventEmitter {
  private readonly connection: AmqpConnection
  private readonly waiting = new Set<Waiting>()
  private closed = false
  /** Of the broker's side. */
  private dead = false
  private prefetched = 0
  private consumer: StreamConsumer | null = null
  private cancelQueue: (() => void) | null = null
  private tag = 0
  private acked = 0

  constructor(connection: AmqpConnection) {
    super()
    this.connection = connection
  }

  ask(run: () => unknown): Promise<unknown> {
    if (this.closed) return Promise.reject(new Error('Channel closed'))
    return new Promise((resolve, reject) => {
      const waiting = { resolve, reject }
      this.waiting.add(waiting)
      this.toBroker(() => {
        let value: unknown
        try {
          value = run()
        } catch (error) {
          this.refuse(error as Error)
          return
        }
        this.toClient(() => {
          if (this.waiting.delete(waiting)) resolve(value)
        })
      })
    })
  }

  prefetch(count: number): Promise<unknown> {
    return this.ask(() => (this.prefetched = count))
  }

  assertExchange(name: string): Promise<unknown> {
    return this.ask(() => this.connection.broker.exchanges.add(name).size)
  }

  checkExchange(name: string): Promise<unknown> {
    return this.ask(() => exists(this.connection.broker.exchanges.has(name), `exchange '${name}'`))
  }

  assertQueue(name: string, options: { readonly durable?: boolean }): Promise<unknown> {
    const { broker } = this.connection
    return this.ask(() => {
      if (options.durable === true) broker.stream = name
      else if (!broker.queues.has(name)) broker.queues.set(name, new Set())
    })
  }

  checkQueue(name: string): Promise<unknown> {
    return this.ask(() => exists(this.connection.broker.stream === name, `queue '${name}'`))
  }

  bindQueue(): Promise<unknown> {
    return this.ask(() => undefined)
  }

  deleteQueue(name: string): Promise<unknown> {
    const { queues } = this.connection.broker
    return this.ask(() => {
      for (const consumer of queues.get(name) ?? []) consumer(null)
      queues.delete(name)
    })
  }

  publish(
    exchange: string,
    routingKey: string,
    content: Buffer,
    options: { headers?: object } = {},
  ): boolean {
    if (this.closed) throw new Error('Channel closed')
    const headers = { ...options.headers }
    this.toBroker(() => this.connection.broker.publish({ exchange, routingKey, headers, content }))
    return true
  }

  consume(
    queue: string,
    onMessage: (message: ConsumeMessage | null) => void,
    options: { readonly arguments?: Record<string, unknown> } = {},
  ): Promise<unknown> {
    const { broker } = this.connection
    const from = options.arguments?.['x-stream-offset']
    return this.ask(() => {
      if (from === undefined) this.consumeQueue(queue, onMessage)
      else {
        exists(broker.stream === queue, `queue '${queue}'`)
        const consumer = {
          next: broker.startOf(from),
          credit: this.prefetched,
          send: (messages: readonly StreamMessage[]) =>
            this.toClient(() => {
              for (const message of messages) if (!this.closed) onMessage(this.deliveryOf(message))
            }),
        }
        this.consumer = consumer
        // The reply comes first.
        queueMicrotask(() => !this.dead && broker.consume(consumer))
      }
    })
  }

  ack({ fields }: { readonly fields: { readonly deliveryTag: number } }): void {
    if (this.closed) throw new Error('Channel closed')
    this.toBroker(() => {
      const { consumer } = this
      if (consumer === null || fields.deliveryTag <= this.acked) return
      consumer.credit += fields.deliveryTag - this.acked
      this.acked = fields.deliveryTag
      this.connection.broker.pump(consumer)
    })
  }

  close(): Promise<void> {
    if (this.closed) return Promise.reject(new Error('Channel closed'))
    this.closed = true
    return new Promise((resolve) => {
      this.connection.link.up(() => {
        this.dropped()
        this.connection.link.down(() => {
          this.connection.forget(this)
          this.failAll(new Error('Channel closed'))
          this.emit('close')
          resolve()
        })
      })
    })
  }

  /** The broker ends its side. */
  dropped(): void {
    this.dead = true
    if (this.consumer !== null) this.connection.broker.cancel(this.consumer)
    this.consumer = null
    this.cancelQueue?.()
  }

  /** The client's side has ended. */
  ended(error: Error): void {
    this.connection.forget(this)
    this.closed = true
    this.failAll(error)
    this.emit('close')
  }

  /** The broker closes the channel because of what was asked. */
  refuse(error: Error): void {
    this.dropped()
    this.connection.link.down(() => {
      if (this.closed) return
      this.connection.forget(this)
      this.closed = true
      this.failAll(error)
      this.emit('error', error)
      this.emit('close')
    })
  }

  private consumeQueue(queue: string, onMessage: (message: ConsumeMessage | null) => void): void {
    const consumers = this.connection.broker.queues.get(queue)
    exists(consumers !== undefined, `queue '${queue}'`)
    const listener = (message: unknown): void =>
      this.toClient(() => !this.closed && onMessage(message as ConsumeMessage | null))
    consumers!.add(listener)
    this.cancelQueue = () => consumers!.delete(listener)
  }

  private deliveryOf({ offset, exchange, routingKey, headers, content }: StreamMessage): ConsumeMessage {
    const fields = { deliveryTag: ++this.tag, redelivered: false, exchange, routingKey, consumerTag: '' }
    return {
      fields,
      properties: { headers: { ...headers, 'x-stream-offset': offset } },
      content,
    } as unknown as ConsumeMessage
  }

  private toBroker(run: () => void): void {
    this.connection.link.up(() => {
      if (!this.dead) run()
    })
  }

  private toClient(run: () => void): void {
    if (!this.dead) this.connection.link.down(run)
  }

  private failAll(error: Error): void {
    for (const { reject } of this.waiting) reject(error)
    this.waiting.clear()
  }
}

function exists(is: boolean, what: string): void {
  if (!is)
    throw Object.assign(
      new Error(`Channel closed by server: 404 (NOT-FOUND) with message "NOT_FOUND - no ${what}"`),
      {
        code: NOT_FOUND,
      },
    )
}
