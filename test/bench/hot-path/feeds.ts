/** The ways of publishing what comes from the bus. */
import type { ChannelModel, ConsumeMessage } from 'amqplib'
import { Announcer } from '@wazo-websocketd/ingest/status/announcer'
import { readCanary } from '@wazo-websocketd/ingest/broker/canary'
import { FailureLog } from '@wazo-websocketd/ingest/status/failure-log'
import { Consumer } from '@wazo-websocketd/ingest/broker/consumer'
import { Continuity } from '@wazo-websocketd/ingest/publish/continuity'
import { toDelivery, type Delivery } from '@wazo-websocketd/ingest/normalise/delivery'
import { Accounting } from '@wazo-websocketd/ingest/status/accounting'
import { RedisConnection } from '@wazo-websocketd/ingest/publish/redis-connection'
import { headerOffset, KnownGaps } from '@wazo-websocketd/ingest/normalise/numbering'
import { PublishLoop } from '@wazo-websocketd/ingest/publish/publish-loop'
import { ingestMetrics } from '@wazo-websocketd/ingest/metrics'
import { Publisher } from '@wazo-websocketd/ingest/publish/publisher'
import { StreamHistory } from '@wazo-websocketd/ingest/attach/history'
import { Status } from '@wazo-websocketd/ingest/status/status'
import { windowLimits } from '@wazo-websocketd/ingest/publish/window'
import { TIMINGS } from '@wazo-websocketd/ingest/timings'
import { encodeBatch } from '@wazo-websocketd/shared/domain/envelope'
import type { BusEvent } from '@wazo-websocketd/shared/domain/event'
import type { Epoch } from '@wazo-websocketd/shared/domain/position'
import { systemClock as clock } from '@wazo-websocketd/shared/runtime/clock'
import { Metrics } from '@wazo-websocketd/shared/runtime/metrics'
import { RedisFactory } from '@wazo-websocketd/shared/redis/client'
import { keys } from '@wazo-websocketd/shared/redis/layout'
import { once } from 'node:events'
import { setImmediate as nextTick } from 'node:timers/promises'
import { pino } from 'pino'
import { EPOCH, PREFIX, STREAM, type Way } from './plan.js'

/** One that is connected, and takes one batch after the other. */
export interface Feed {
  /** Takes the next message of the batch. */
  put(message: ConsumeMessage): void
  /** The batch is complete: resolves when its last message, `last`, is done with. */
  batch(last: number): Promise<void>
  /** What went wrong, if anything did. */
  fault(): string | null
  close(): Promise<void>
}

const logger = pino({ level: 'silent' })
const intake = { origin: null, bodyBytesMax: 1024 ** 2, partitions: 1, ingest: 'bench' }
const PREFETCH = 250
/** So short that the log is cut all the time, as it is in a program that has run for a while. */
const HISTORY_MS = 1_000
const HISTORY_BYTES = 64 * 1024 ** 2
const LINK = { where: 'there', callTimeoutMs: 1_000, readyTimeoutMs: 2_000, renewIntervalMs: 1_000 }

export function openFeed(way: Way, url: string): Promise<Feed> {
  return way === 'ours' ? ours(url) : way === 'minimal' ? minimal(url) : Promise.resolve(intakeOnly())
}

/** The ingest from its consumer on, put together as the program does it; only the broker is made up. */
async function ours(url: string): Promise<Feed> {
  const factory = new RedisFactory({ url, cluster: null, logger, clock })
  const client = factory.create('publisher', { failFast: true })
  await once(client, 'ready')
  const link = new RedisConnection(LINK, clock, () => client)
  const history = { historyMs: HISTORY_MS, historyBytes: HISTORY_BYTES }
  const stored = { prefix: PREFIX, partitions: 1, stream: STREAM, sharded: false, ...history }
  const publisher = new Publisher(link, stored)
  const epoch = EPOCH as Epoch
  if (!(await publisher.seed(0, epoch, { offset: 0, fingerprint: '00' }, 0)))
    throw new Error('Redis is not empty')

  const answers = new Set<string>()
  const metrics = ingestMetrics(new Metrics())
  const counting = {
    ...metrics,
    answered: (kind: Parameters<typeof metrics.answered>[0]) => {
      answers.add(kind)
      metrics.answered(kind)
    },
  }
  const failureLog = new FailureLog(clock, logger, TIMINGS.repeatLogMs)
  const status = new Status({ ...TIMINGS, redisGraceMs: TIMINGS.downAfterMs }, clock, failureLog)
  status.brokerConnected = true
  const announcer = new Announcer({ ingest: 'bench', intervalMs: TIMINGS.beatMs }, clock, status, (message) =>
    publisher.announce(message),
  )
  const broker = new Broker()
  const consumer = await Consumer.start(
    broker.connection,
    { stream: STREAM, from: 0, prefetch: PREFETCH },
    clock,
  )
  const marker = { queue: '', ticks: 0, onGone: () => undefined, close: () => Promise.resolve() }
  const attachment = {
    epoch,
    heads: [0],
    rejoinMs: 0,
    at: { offset: 0, fingerprint: '00' },
    consumer,
    marker,
  }
  const pipeline = new PublishLoop(
    {
      // As often as a beat is sent, what waits for messages is checked.
      timings: { ...TIMINGS, canaryIntervalMs: TIMINGS.beatMs / 2 },
      window: windowLimits(PREFETCH, HISTORY_BYTES),
      delivery: intake,
      ackEvery: 1,
    },
    {
      publisher,
      history: new StreamHistory(history),
      // A broker that blocks publishers is what lets an ingest without canaries be `up`.
      canary: { blocked: true, sending: false, tickQueue: null, sendBeat: () => undefined },
      continuity: new Continuity(),
      knownGaps: new KnownGaps(),
      clock,
      accounting: new Accounting({ clock, log: logger, metrics: counting, status }),
      metrics: counting,
      status,
      onChange: () => {
        announcer.statusChanged()
        broker.published(status.heads[0] ?? 0)
      },
    },
    attachment,
  )
  const end = new AbortController()
  let ended: string | null = null
  const running = pipeline.run(end.signal).then((why) => (ended = why))
  announcer.start()
  return {
    put: broker.put,
    batch: (last) => broker.until(last),
    fault: () => {
      const others = [...answers].filter((kind) => kind !== 'OK')
      if (ended !== null) return `the ingest wanted to attach again: ${ended}`
      return others.length === 0 ? null : `Redis answered ${others.join()}`
    },
    async close() {
      announcer.stop()
      end.abort()
      await running
      link.stop()
      factory.close()
    },
  }
}

/** A channel whose deliveries come from the bench, which waits until they are published. */
class Broker {
  put: (message: ConsumeMessage) => void = () => undefined
  private awaited = 0
  private done: () => void = () => undefined

  readonly connection = {
    createChannel: () => ({
      on: () => undefined,
      prefetch: () => undefined,
      consume: (_stream: string, put: (message: ConsumeMessage) => void) => void (this.put = put),
      ack: () => undefined,
      once: () => undefined,
      removeListener: () => undefined,
      close: () => Promise.resolve(),
    }),
  } as unknown as ChannelModel

  /** Resolves when everything up to `last` has been published. */
  until(last: number): Promise<void> {
    this.awaited = last
    return new Promise((resolve) => (this.done = resolve))
  }

  published(head: number): void {
    if (head === this.awaited) this.done()
  }
}

/** What is made of a message on its way in. */
function take(message: ConsumeMessage): Delivery {
  return toDelivery(message, headerOffset(message) ?? 0, readCanary(message), intake, clock)
}

/** The same events in the same batches, and nothing but PUBLISH. */
async function minimal(url: string): Promise<Feed> {
  const factory = new RedisFactory({ url, cluster: null, logger, clock })
  const client = factory.create('publisher', { failFast: true })
  await once(client, 'ready')
  const { live } = keys(PREFIX, 0)
  let events: BusEvent[] = []
  let prev = 0
  return {
    put(message) {
      const { event } = take(message)
      if (event !== null) events.push(event)
    },
    async batch(last) {
      await nextTick()
      const bytes = encodeBatch({ epoch: EPOCH as Epoch, prev, last, events })
      events = []
      prev = last
      await client.publish(live, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length))
    },
    fault: () => null,
    close() {
      factory.close()
      return Promise.resolve()
    },
  }
}

/** What comes before publishing, in either way. */
function intakeOnly(): Feed {
  let events = 0
  return {
    put(message) {
      if (take(message).event !== null) events++
    },
    async batch(last) {
      await nextTick()
      if (events !== last) throw new Error(`${events} events of ${last} messages`)
    },
    fault: () => null,
    close: () => Promise.resolve(),
  }
}
