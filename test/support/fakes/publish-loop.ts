/** A publish loop over a simulated broker and a simulated Redis. */
import type { ConsumeMessage } from 'amqplib'
import { pino } from 'pino'
import { FailureLog } from '@wazo-websocketd/ingest/status/failure-log'
import type { Consumer } from '@wazo-websocketd/ingest/broker/consumer'
import { Continuity } from '@wazo-websocketd/ingest/publish/continuity'
import { MessageInbox } from '@wazo-websocketd/ingest/broker/inbox'
import { Accounting } from '@wazo-websocketd/ingest/status/accounting'
import { ingestMetrics } from '@wazo-websocketd/ingest/metrics'
import { KnownGaps } from '@wazo-websocketd/ingest/normalise/numbering'
import { PublishLoop } from '@wazo-websocketd/ingest/publish/publish-loop'
import type { Publisher } from '@wazo-websocketd/ingest/publish/publisher'
import { StreamHistory } from '@wazo-websocketd/ingest/attach/history'
import type { AttachReason } from '@wazo-websocketd/ingest/publish/sequencer'
import { Status } from '@wazo-websocketd/ingest/status/status'
import type { Epoch } from '@wazo-websocketd/shared/domain/position'
import { Metrics } from '@wazo-websocketd/shared/runtime/metrics'
import type { FakeClock } from './clock.js'

export const EPOCH = 'E' as Epoch
export const ACK_EVERY = 3

/** A message of the stream as the consumer gets it; `headers` may hold another offset than its own. */
export function message(offset: number, headers: Record<string, unknown>, exchange: string, body: string) {
  const fields = { deliveryTag: offset, redelivered: false, exchange, routingKey: '', consumerTag: '' }
  const properties = { headers: { 'x-stream-offset': offset, ...headers } }
  return { fields, properties, content: Buffer.from(body) } as unknown as ConsumeMessage
}

export function event(offset: number, tenant: string | null = null, bytes = 100): ConsumeMessage {
  const body = JSON.stringify({ n: '' }).replace('""', `"${'x'.repeat(bytes - 8)}"`)
  return message(offset, { name: 'e', required_acl: null, tenant_uuid: tenant }, 'wazo-headers', body)
}

export function canary(offset: number, sentAt: number, n: number, beat = true): ConsumeMessage {
  const headers = {
    'x-wazo-websocketd-canary': 'me',
    'x-wazo-websocketd-sent': String(sentAt),
    'x-wazo-websocketd-number': n,
    'x-wazo-websocketd-first': 1,
    'x-wazo-websocketd-beat': beat,
  }
  return message(offset, headers, '', `{"n":${n}}`)
}

/** Lets everything that was started come as far as it can without the clock. */
export async function settle(turns = 10): Promise<void> {
  for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve))
}

const TIMINGS = {
  headPollMs: 200,
  backlogPollMs: 10,
  idlePollMs: 1000,
  takeoverMs: 500,
  unreachableMs: 2000,
  retryMs: 100,
  watchdogMs: 10_000,
  streamStallMs: 200,
  canaryIntervalMs: 25,
  beatMs: 1000,
}
const STATUS = { canaryTimeoutMs: 3000, downAfterMs: 10_000, redisGraceMs: 5000 }

/** Keeps what an ingest does from one attachment to the next, and attaches. */
export class PublishLoopBench {
  readonly status: Status
  readonly sender = {
    tickQueue: null as string | null,
    blocked: false,
    sending: false,
    sent: 0,
    sendBeat: (): void => {
      this.sender.sent++
    },
  }
  readonly acks: number[] = []
  readonly history: StreamHistory
  private readonly end = new AbortController()
  private readonly continuity = new Continuity()
  private readonly knownGaps = new KnownGaps()

  private readonly clock: FakeClock
  private readonly publisher: Pick<Publisher, 'publish' | 'meta'>
  private readonly limits: { readonly partitions: number; readonly windowMax: number }

  constructor(
    clock: FakeClock,
    publisher: Pick<Publisher, 'publish' | 'meta'>,
    limits: { readonly partitions: number; readonly windowMax: number },
    historyBytes = 1e9,
  ) {
    this.clock = clock
    this.publisher = publisher
    this.limits = limits
    this.status = new Status(STATUS, clock, new FailureLog(clock, pino({ level: 'silent' }), 30_000))
    this.status.brokerConnected = true
    this.history = new StreamHistory({ historyMs: 1e9, historyBytes })
  }

  /** Attaches at `offset`; `outcome.why` is set when the loop wants to attach again. */
  attach(offset: number, heads: readonly (number | null)[] = this.all(offset)) {
    const { clock, status, history } = this
    const { partitions, windowMax } = this.limits
    const inbox = new MessageInbox(clock)
    const consumer = {
      inbox,
      ack: (tag: number) => void this.acks.push(tag),
      close: () => Promise.resolve(),
    } as unknown as Consumer
    let gone: () => void = () => undefined
    const marker = {
      queue: 'marker',
      ticks: 0,
      onGone: (task: () => void) => void (gone = task),
      close: () => Promise.resolve(),
    }
    const metrics = ingestMetrics(new Metrics({ defaults: false }))
    const window = { batchCountMax: 5, batchBytesMax: 1e6, windowMax, windowBytesMax: 1e6, lingerMs: 1500 }
    const at = { offset, fingerprint: `f${offset}` }
    history.advance(at, clock.monotonic())
    const subject = new PublishLoop(
      {
        timings: TIMINGS,
        window,
        delivery: { origin: null, bodyBytesMax: 10_000, partitions, ingest: 'me' },
        ackEvery: ACK_EVERY,
      },
      {
        publisher: this.publisher as Publisher,
        history,
        canary: this.sender,
        continuity: this.continuity,
        knownGaps: this.knownGaps,
        clock,
        accounting: new Accounting({ clock, log: pino({ level: 'silent' }), metrics, status }),
        metrics,
        status,
        onChange: () => undefined,
      },
      { epoch: EPOCH, heads, at, rejoinMs: 10_000, consumer, marker },
    )
    const outcome: { why: AttachReason | null | undefined } = { why: undefined }
    const running = subject.run(this.end.signal).then((why) => (outcome.why = why))
    return { inbox, outcome, running, marker: { remove: () => gone(), tick: () => (marker.ticks += 1) } }
  }

  async stop(): Promise<void> {
    this.end.abort()
    await settle()
  }

  private all(offset: number): number[] {
    return Array.from({ length: this.limits.partitions }, () => offset)
  }
}
