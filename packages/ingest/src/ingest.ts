/** The life of an ingest: connect, attach, run; again and again, until it is told to stop. */
import type { ChannelModel } from 'amqplib'
import type { Logger } from 'pino'
import { Backoff } from '@wazo-websocketd/shared/runtime/backoff'
import type { Clock, Timer } from '@wazo-websocketd/shared/runtime/clock'
import type { Attacher, Attachment } from './attach.js'
import type { Canary } from './canary.js'
import type { AttachReason } from './chain.js'
import { close } from './close.js'
import type { IngestMetrics } from './metrics.js'
import type { Pipeline } from './pipeline.js'
import type { Memory } from './plan.js'
import type { Ring } from './ring.js'
import type { Announcer, Situation } from './state.js'
import type { Upkeep } from './upkeep.js'

export interface IngestOptions {
  readonly reconnectFirstMs: number
  readonly reconnectMaxMs: number
  /** No more than one log line of the same fault in this time. */
  readonly repeatLogMs: number
  /** The stream surely holds what is younger. */
  readonly streamReachMs: number
}

export interface IngestParts {
  readonly connect: () => Promise<ChannelModel>
  readonly declare: (connection: ChannelModel) => Promise<void>
  /** An error of the broker or of Redis, in one line; `lasting`: it has been said before. */
  readonly explain: (error: unknown, lasting: boolean) => string
  readonly attacher: Attacher
  readonly pipeline: Pipeline
  readonly upkeep: Pick<Upkeep, 'run'>
  readonly canary: Canary
  readonly announcer: Announcer
  readonly ring: Ring
  readonly situation: Situation
  readonly metrics: IngestMetrics
  readonly clock: Clock
  readonly log: Logger
}

/** How long an ingest that was told to stop waits for a broker that may have frozen. */
const STOP_MS_MAX = 5000

export class Ingest {
  private readonly options: IngestOptions
  private readonly parts: IngestParts
  private readonly backoff: Backoff
  private said: { text: string; at: number } | null = null
  private connections = 0

  constructor(options: IngestOptions, parts: IngestParts) {
    this.options = options
    this.parts = parts
    this.backoff = new Backoff({ firstMs: options.reconnectFirstMs, maxMs: options.reconnectMaxMs })
  }

  /** Runs until `signal` is aborted; whatever the broker and Redis do, it tries again. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { canary, announcer } = this.parts
    canary.start()
    announcer.start()
    signal.addEventListener('abort', () => announcer.stop())
    while (!signal.aborted) {
      try {
        await this.untilOverdue(this.connection(signal), signal)
      } catch (error) {
        this.complain(error)
      }
      await this.sleep(this.backoff.next(), signal)
    }
    await canary.stop()
  }

  /** As `work`, but a stop does not wait for it without end. */
  private async untilOverdue(work: Promise<void>, signal: AbortSignal): Promise<void> {
    let timer: Timer | null = null
    let stop = (): void => undefined
    const overdue = new Promise<void>((resolve) => {
      stop = () => (timer = this.parts.clock.after(STOP_MS_MAX, resolve))
    })
    signal.addEventListener('abort', stop)
    try {
      await Promise.race([work, overdue])
    } finally {
      signal.removeEventListener('abort', stop)
      ;(timer as Timer | null)?.cancel()
    }
  }

  /** One connection to the broker, from its beginning to its end. */
  private async connection(signal: AbortSignal): Promise<void> {
    const { situation, metrics, announcer } = this.parts
    const connection = await this.parts.connect()
    const end = new AbortController()
    connection.on('close', (error?: Error) => end.abort(error ?? new Error('connection closed')))
    const either = AbortSignal.any([signal, end.signal])
    if (this.connections++ > 0) metrics.amqpReconnected()
    situation.brokerConnected = true
    metrics.amqpConnected(true)
    announcer.changed()
    try {
      while (!either.aborted) await this.turn(connection, either)
    } finally {
      situation.brokerConnected = false
      metrics.amqpConnected(false)
      announcer.changed()
      await close(connection, this.parts.clock)
    }
    if (!signal.aborted) throw end.signal.reason
  }

  /** Sets up and runs once; the same way at the first start and after everything that can happen. */
  private async turn(connection: ChannelModel, signal: AbortSignal): Promise<void> {
    const { log } = this.parts
    let why: AttachReason | null
    try {
      const attachment = await this.setup(connection, signal)
      this.parts.situation.brokerRefusesSince = null
      this.backoff.reset()
      this.said = null
      this.parts.canary.send() // the sooner one comes through, the sooner this ingest is up
      why = await this.attached(connection, attachment, signal)
    } catch (error) {
      if (signal.aborted) return
      if (isRefusal(error)) this.parts.situation.brokerRefusesSince ??= this.parts.clock.monotonic()
      this.complain(error)
      await this.sleep(this.backoff.next(), signal)
      return
    }
    if (why === null) return
    log.info({ why }, 'attaching again')
    if (why === 'failed') await this.sleep(this.options.reconnectMaxMs, signal)
  }

  /** Publishes or follows, as long as it goes on from here; exchanges and bindings are looked after meanwhile. */
  private async attached(
    connection: ChannelModel,
    attachment: Attachment,
    signal: AbortSignal,
  ): Promise<AttachReason | null> {
    const { pipeline, upkeep } = this.parts
    const over = new AbortController()
    void upkeep.run(connection, AbortSignal.any([signal, over.signal]))
    try {
      return await pipeline.run(attachment, signal)
    } finally {
      over.abort()
    }
  }

  private async setup(connection: ChannelModel, signal: AbortSignal): ReturnType<Attacher['attach']> {
    const { declare, attacher, ring, situation, clock, log } = this.parts
    await declare(connection)
    const attachment = await attacher.attach(connection, () => this.memory(), signal)
    if (attachment.epoch !== situation.epoch) ring.clear()
    ring.advance(attachment.at, clock.monotonic())
    log.info({ epoch: attachment.epoch, offset: attachment.at.offset }, 'attached to the stream')
    return attachment
  }

  private memory(): Memory | null {
    const { situation, ring, clock } = this.parts
    const start = ring.start(clock.monotonic(), this.options.streamReachMs)
    if (situation.epoch === null || start === null) return null
    return { epoch: situation.epoch, start, complete: ring.trimTo(clock.monotonic()) !== null }
  }

  private complain(error: unknown): void {
    const { clock, log } = this.parts
    const text = this.parts.explain(error, false)
    const now = clock.monotonic()
    const lasting = this.said?.text === text
    if (lasting && now - (this.said?.at ?? now) < this.options.repeatLogMs) return
    this.said = { text, at: now }
    log.error(`${lasting ? this.parts.explain(error, true) : text}; trying again`)
  }

  /** Ends early when `signal` is aborted. */
  private sleep(ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      const done = (): void => {
        timer.cancel()
        signal.removeEventListener('abort', done)
        resolve()
      }
      const timer = this.parts.clock.after(ms, done)
      signal.addEventListener('abort', done)
    })
  }
}

/** The broker has closed the channel with a reply code; errors of Redis and of sockets have none. */
function isRefusal(error: unknown): boolean {
  return typeof (error as { code?: unknown } | null)?.code === 'number'
}
