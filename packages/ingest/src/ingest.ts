/** The life of an ingest: connect, attach, run; again and again, until it is told to stop. */
import type { ChannelModel } from 'amqplib'
import type { Logger } from 'pino'
import type { Epoch } from '@wazo-websocketd/shared/domain/position'
import { Backoff } from '@wazo-websocketd/shared/runtime/backoff'
import type { Clock, Timer } from '@wazo-websocketd/shared/runtime/clock'
import type { Announcer } from './status/announcer.js'
import type { Attacher, Attachment, PreviousAttachment } from './attach/attach.js'
import type { Canary } from './broker/canary.js'
import { close } from './broker/close.js'
import type { IngestMetrics } from './metrics.js'
import type { PublishLoop } from './publish/publish-loop.js'
import type { Memory } from './attach/plan.js'
import type { StreamHistory } from './attach/history.js'
import type { AttachReason } from './publish/sequencer.js'
import { DeadlineError, sleep, within } from '@wazo-websocketd/shared/runtime/sleep'
import type { Status } from './status/status.js'
import type { TopologyGuard } from './broker/topology-guard.js'

export interface IngestOptions {
  readonly reconnectFirstMs: number
  readonly reconnectMaxMs: number
  /** The stream surely holds what is younger. */
  readonly streamReachMs: number
  /** How long the broker may take for one try to set this ingest up. */
  readonly tryMs: number
}

export interface IngestParts {
  /** `role`: what the connection is for; the broker shows it. */
  readonly connect: (role: 'consumer' | 'canary') => Promise<ChannelModel>
  /** The host to which it connected last. */
  readonly host: () => string
  /** That host serves nothing: the next one is to be tried first. False: there is no other. */
  readonly skipHost: () => boolean
  readonly declare: (connection: ChannelModel) => Promise<void>
  /** An error of the broker or of Redis, in one line; `lasting`: it has been said before. */
  readonly explain: (error: unknown, lasting: boolean) => string
  readonly attacher: Attacher
  /** What carries an attachment out. */
  readonly publishLoop: (attachment: Attachment) => Pick<PublishLoop, 'run'>
  readonly topologyGuard: Pick<TopologyGuard, 'run'>
  readonly canary: Canary
  readonly announcer: Announcer
  readonly history: StreamHistory
  readonly status: Status
  readonly metrics: IngestMetrics
  readonly clock: Clock
  readonly log: Logger
}

/** So many tries in a row that fail at a host of the broker: another one may do better. */
const FAILURES_MAX = 3
/** How long an ingest that was told to stop waits for a broker that may have frozen. */
const STOP_MS_MAX = 5000

export class Ingest {
  private readonly options: IngestOptions
  private readonly parts: IngestParts
  private readonly backoff: Backoff
  private connections = 0
  /** The epoch in which the stream has lost messages. */
  private broken: Epoch | null = null
  /** Where it was attached last. */
  private place: { epoch: Epoch; host: string } | null = null
  /** Tries in a row that failed at the broker. */
  private failures = 0

  constructor(options: IngestOptions, parts: IngestParts) {
    this.options = options
    this.parts = parts
    this.backoff = new Backoff({ firstMs: options.reconnectFirstMs, maxMs: options.reconnectMaxMs })
  }

  /** Runs until `signal` is aborted; whatever the broker and Redis do, it tries again. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { announcer, clock } = this.parts
    announcer.start()
    signal.addEventListener('abort', () => announcer.stop())
    while (!signal.aborted) {
      try {
        await this.untilOverdue(this.connection(signal), signal)
      } catch (error) {
        this.complain(error)
      }
      await sleep(clock, this.backoff.next(), signal)
    }
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

  /**
   * Two connections to one node of the broker, one for reading and one for canaries, from their beginning to the end of
   * the first: so canaries come from where the marker is.
   */
  private async connection(signal: AbortSignal): Promise<void> {
    const { connect, host, status, metrics, announcer, canary, clock } = this.parts
    const end = new AbortController()
    const closed = (error?: Error): void => end.abort(error ?? new Error('connection closed'))
    const open: ChannelModel[] = []
    const hosts = new Set<string>()
    try {
      for (const role of ['consumer', 'canary'] as const) {
        const connection = await connect(role)
        connection.on('close', closed)
        open.push(connection)
        hosts.add(host())
      }
      if (hosts.size > 1) throw new Error('its hosts take one connection each: both have to be at one')
      const [reading, sending] = open
      if (reading === undefined || sending === undefined) return
      // Now, and once: from a connection that it has blocked the broker reads nothing.
      await within(clock, this.options.tryMs, 'opening a channel', canary.start(sending))
      if (this.connections++ > 0) metrics.amqpReconnected()
      status.brokerConnected = true
      metrics.amqpConnected(true)
      announcer.changed()
      const either = AbortSignal.any([signal, end.signal])
      while (!either.aborted) await this.turn(reading, either)
    } finally {
      canary.stop()
      status.brokerConnected = false
      metrics.amqpConnected(false)
      announcer.changed()
      await Promise.all(open.map((connection) => close(connection, clock)))
    }
    if (!signal.aborted) throw end.signal.reason
  }

  /** Sets up and runs once; the same way at the first start and after everything that can happen. */
  private async turn(connection: ChannelModel, signal: AbortSignal): Promise<void> {
    const { canary, clock, log, status } = this.parts
    let why: AttachReason | null
    try {
      const attachment = await this.setup(connection, signal)
      this.backoff.reset()
      this.failures = 0
      canary.send() // the sooner one comes through, the sooner this ingest is up
      why = await this.attached(connection, attachment, signal)
    } catch (error) {
      if (signal.aborted) return
      const isStuck = error instanceof DeadlineError
      if (!isStuck && !isRedisFault(error)) this.failures++
      if (isStuck || this.failures >= FAILURES_MAX) {
        this.failures = 0
        // Another host may serve the stream; and what is under way ends with the connection.
        if (this.parts.skipHost() || isStuck) throw error
      }
      this.complain(error)
      await sleep(clock, this.backoff.next(), signal)
      return
    }
    if (why === null) return
    if (why === 'hole') this.broken = status.epoch
    log.info({ why }, 'attaching again')
    if (why === 'failed') await sleep(clock, this.options.reconnectMaxMs, signal)
  }

  /** Publishes or follows, as long as it goes on from here; exchanges and bindings are looked after meanwhile. */
  private async attached(
    connection: ChannelModel,
    attachment: Attachment,
    signal: AbortSignal,
  ): Promise<AttachReason | null> {
    const { publishLoop, topologyGuard, host } = this.parts
    const over = new AbortController()
    void topologyGuard.run(connection, AbortSignal.any([signal, over.signal]))
    try {
      return await publishLoop(attachment).run(signal)
    } finally {
      over.abort()
      this.place = { epoch: attachment.epoch, host: host() }
    }
  }

  private async setup(connection: ChannelModel, signal: AbortSignal): Promise<Attachment> {
    const { declare, attacher, history, status, clock, log } = this.parts
    await within(clock, this.options.tryMs, 'declaring exchanges and stream', declare(connection))
    const attachment = await attacher.attach(connection, () => this.past(), signal)
    if (attachment.epoch !== status.epoch) history.clear()
    history.advance(attachment.at, clock.monotonic())
    log.info({ epoch: attachment.epoch, offset: attachment.at.offset }, 'attached to the stream')
    return attachment
  }

  private past(): PreviousAttachment {
    const left = this.place === null || this.place.host === this.parts.host() ? null : this.place.epoch
    return { memory: this.memory(), broken: this.broken, left }
  }

  private memory(): Memory | null {
    const { status, history, clock } = this.parts
    const start = history.start(clock.monotonic(), this.options.streamReachMs)
    if (status.epoch === null || start === null) return null
    return { epoch: status.epoch, start, complete: history.trimTo(clock.monotonic()) !== null }
  }

  private complain(error: unknown): void {
    const { status, explain } = this.parts
    status.waits(isRedisFault(error) ? 'redis' : 'broker', explain(error, false), explain(error, true))
  }
}

function isRedisFault(error: unknown): boolean {
  return error instanceof Error && error.name === 'RedisFault'
}
