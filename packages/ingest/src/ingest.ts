import type { ChannelModel } from 'amqplib'
import type { Logger } from 'pino'
import type { Epoch } from '@wazo-websocketd/shared/domain/position'
import { Backoff } from '@wazo-websocketd/shared/runtime/backoff'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import { DeadlineError, sleep, within } from '@wazo-websocketd/shared/runtime/sleep'
import type { Attacher, Attachment, PreviousAttachment } from './attach/attach.js'
import type { StreamHistory } from './attach/history.js'
import type { Memory } from './attach/plan.js'
import type { CanarySender } from './broker/canary.js'
import { closeQuietly } from './broker/channel.js'
import type { BrokerHosts } from './broker/hosts.js'
import type { TopologyGuard } from './broker/topology-guard.js'
import type { TopologyDeclarer } from './broker/topology.js'
import type { IngestMetrics } from './metrics.js'
import type { PublishLoop } from './publish/publish-loop.js'
import { RedisFault } from './publish/publisher.js'
import type { AttachReason } from './publish/sequencer.js'
import type { Announcer } from './status/announcer.js'
import type { Status } from './status/status.js'
import type { Timings } from './timings.js'

export interface IngestOptions extends Pick<
  Timings,
  'reconnectFirstMs' | 'reconnectMaxMs' | 'attemptTimeoutMs'
> {
  /** The stream surely holds messages that are younger. */
  readonly streamReachMs: number
}

export interface IngestParts {
  /** Connects; the broker shows the `role`. */
  readonly connect: (role: 'consumer' | 'canary') => Promise<ChannelModel>
  readonly hosts: Pick<BrokerHosts, 'current' | 'skip'>
  readonly topology: Pick<TopologyDeclarer, 'declare'>
  /** Says in one line what an error of the broker means; `lasting`: it has been said before. */
  readonly describeError: (error: unknown, lasting: boolean) => string
  readonly attacher: Attacher
  /** Makes the loop of one attachment. */
  readonly publishLoop: (attachment: Attachment) => Pick<PublishLoop, 'run'>
  readonly topologyGuard: Pick<TopologyGuard, 'run'>
  readonly canary: CanarySender
  readonly announcer: Announcer
  readonly history: StreamHistory
  readonly status: Status
  readonly metrics: IngestMetrics
  readonly clock: Clock
  readonly log: Logger
}

/** After so many failed attempts in a row at a host of the broker the next host is tried. */
const FAILURES_MAX = 3
/** An ingest that was told to stop waits so long for a broker that may have frozen. */
const STOP_MS_MAX = 5000

/** The life of an ingest: connects, attaches and publishes, again and again until it is told to stop. */
export class Ingest {
  private readonly options: IngestOptions
  private readonly parts: IngestParts
  private readonly backoff: Backoff
  private connections = 0
  /** The epoch in which the stream has lost messages. */
  private brokenEpoch: Epoch | null = null
  private lastAttached: { readonly epoch: Epoch; readonly host: string } | null = null
  /** Attempts in a row that failed at the broker. */
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
        await this.withStopDeadline(this.runConnected(signal), signal)
      } catch (error) {
        this.reportFailure(error)
      }
      await sleep(clock, this.backoff.next(), signal)
    }
  }

  /** Settles as `work` does, or resolves STOP_MS_MAX after `signal` is aborted. */
  private async withStopDeadline(work: Promise<void>, signal: AbortSignal): Promise<void> {
    const done = new AbortController()
    const overdue = new Promise<void>((resolve) => {
      const onStop = () => void sleep(this.parts.clock, STOP_MS_MAX, done.signal).then(resolve)
      signal.addEventListener('abort', onStop, { signal: done.signal })
    })
    try {
      await Promise.race([work, overdue])
    } finally {
      done.abort()
    }
  }

  /**
   * Holds two connections to one node of the broker, one for reading and one for canaries, from their beginning to the end of
   * the first that closes: so canaries come from where the marker is.
   */
  private async runConnected(signal: AbortSignal): Promise<void> {
    const { connect, hosts, status, metrics, announcer, canary, clock } = this.parts
    const closed = new AbortController()
    const onClose = (error?: Error): void => closed.abort(error ?? new Error('connection closed'))
    const open: ChannelModel[] = []
    const hostsInUse = new Set<string>()
    try {
      for (const role of ['consumer', 'canary'] as const) {
        const connection = await connect(role)
        connection.on('close', onClose)
        open.push(connection)
        hostsInUse.add(hosts.current)
      }
      if (hostsInUse.size > 1) throw new Error('its hosts take one connection each: both have to be at one')
      const [consuming, sending] = open
      if (consuming === undefined || sending === undefined) return
      // Now, and once: from a connection that it has blocked the broker reads nothing.
      await within(clock, this.options.attemptTimeoutMs, 'opening a channel', canary.start(sending))
      if (this.connections++ > 0) metrics.amqpReconnected()
      status.brokerConnected = true
      metrics.amqpConnected(true)
      announcer.statusChanged()
      const stopped = AbortSignal.any([signal, closed.signal])
      while (!stopped.aborted) await this.attachAndPublish(consuming, stopped)
    } finally {
      canary.stop()
      status.brokerConnected = false
      metrics.amqpConnected(false)
      announcer.statusChanged()
      await Promise.all(open.map((connection) => closeQuietly(connection, clock)))
    }
    if (!signal.aborted) throw closed.signal.reason
  }

  /** Attaches and publishes once; the same way at the first start and after every kind of failure. */
  private async attachAndPublish(connection: ChannelModel, signal: AbortSignal): Promise<void> {
    const { attacher, canary, clock, hosts, log, status } = this.parts
    let why: AttachReason | null
    try {
      const attachment = await this.attach(connection, signal)
      this.backoff.reset()
      this.failures = 0
      canary.sendBeat() // the sooner one comes through, the sooner this ingest is up
      why = await this.publish(connection, attachment, signal)
    } catch (error) {
      if (signal.aborted) return
      const isTimeout = error instanceof DeadlineError
      if (!isTimeout && !(error instanceof RedisFault)) this.failures++
      if (isTimeout || this.failures >= FAILURES_MAX) {
        this.failures = 0
        // Another host may serve the stream; and what is under way ends with the connection.
        if (hosts.skip() || isTimeout) throw error
      }
      this.reportFailure(error)
      await sleep(clock, this.backoff.next(), signal)
      return
    }
    if (why === null) return
    if (why === 'hole' && status.epoch !== null) {
      this.brokenEpoch = status.epoch
      attacher.disprove(connection, status.epoch)
    }
    log.info({ why }, 'attaching again')
    if (why === 'failed') await sleep(clock, this.options.reconnectMaxMs, signal)
  }

  /** Publishes or follows for as long as the attachment lasts, with the guard over exchanges and bindings beside it. */
  private async publish(
    connection: ChannelModel,
    attachment: Attachment,
    signal: AbortSignal,
  ): Promise<AttachReason | null> {
    const { publishLoop, topologyGuard, hosts } = this.parts
    const over = new AbortController()
    void topologyGuard.run(connection, AbortSignal.any([signal, over.signal]))
    try {
      return await publishLoop(attachment).run(signal)
    } finally {
      over.abort()
      this.lastAttached = { epoch: attachment.epoch, host: hosts.current }
    }
  }

  private async attach(connection: ChannelModel, signal: AbortSignal): Promise<Attachment> {
    const { topology, attacher, history, status, clock, log } = this.parts
    const declared = topology.declare(connection)
    await within(clock, this.options.attemptTimeoutMs, 'declaring exchanges and stream', declared)
    const attachment = await attacher.attach(connection, () => this.previousAttachment(), signal)
    if (attachment.epoch !== status.epoch) history.clear()
    for (const [partition, head] of attachment.heads.entries()) if (head !== null) history.see(partition)
    history.advance(attachment.at, clock.monotonic())
    log.info({ epoch: attachment.epoch, offset: attachment.at.offset }, 'attached to the stream')
    return attachment
  }

  private previousAttachment(): PreviousAttachment {
    const { lastAttached, brokenEpoch } = this
    const hasLeft = lastAttached !== null && lastAttached.host !== this.parts.hosts.current
    return { memory: this.memory(), brokenEpoch, leftHostEpoch: hasLeft ? lastAttached.epoch : null }
  }

  private memory(): Memory | null {
    const { status, history, clock } = this.parts
    const start = history.start(clock.monotonic(), this.options.streamReachMs)
    if (status.epoch === null || start === null) return null
    const complete = history.trimTo(clock.monotonic()) !== null
    return { epoch: status.epoch, start, end: history.end, complete, seen: history.seen }
  }

  private reportFailure(error: unknown): void {
    const { status, describeError } = this.parts
    if (error instanceof RedisFault) status.failed('redis', error.message)
    else status.failed('broker', describeError(error, false), describeError(error, true))
  }
}
