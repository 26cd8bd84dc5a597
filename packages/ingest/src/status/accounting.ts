import type { Logger } from 'pino'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import type { IngestMetrics, MessageResult } from '../metrics.js'
import type { Delivery } from '../normalise/delivery.js'
import type { DropReason } from '../normalise/normalise.js'
import type { PublishAnswer, PublishCall } from '../publish/sequencer.js'
import type { Status } from './status.js'

export interface AccountingParts {
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: IngestMetrics
  readonly status: Status
}

const MINUTE_MS = 60_000
const DROP_LOGS_PER_MINUTE_MAX = 10

/** Accounts for every batch and every delivery: metrics, the status, and a bounded number of log lines. */
export class Accounting {
  private readonly parts: AccountingParts
  private dropLogs = { since: -MINUTE_MS, count: 0 }

  constructor(parts: AccountingParts) {
    this.parts = parts
  }

  /** Counts the answer of Redis to a call, `seconds` after that was sent. */
  answered(call: PublishCall, answer: PublishAnswer, seconds: number): void {
    const { metrics, status } = this.parts
    metrics.answered(answer.kind)
    if (answer.kind === 'OK') metrics.published(eventsIn(call), seconds)
    else if (answer.kind === 'lost') status.failed('redis', answer.why)
    else if (answer.kind === 'CORRUPT')
      status.failed(
        'redis',
        `another program has written to the keys of partition ${call.partition}: deleted`,
      )
    else if (answer.kind === 'failed') {
      metrics.publishFailed()
      status.failed('fatal', `a batch of partition ${call.partition} was refused by ${answer.why}`)
    }
  }

  /** Counts deliveries that are done with: published from here, by another ingest, or dropped. */
  released(deliveries: readonly Delivery[]): void {
    const { status, metrics, clock } = this.parts
    if (deliveries.length > 0) status.progressed()
    const counts = new Map<MessageResult, number>()
    for (const delivery of deliveries) {
      const { canarySentAt, event, reason } = delivery
      if (canarySentAt !== null) {
        status.caughtUp(canarySentAt)
        metrics.lag((clock.monotonic() - canarySentAt) / 1000)
      }
      if (event === null && reason === null) continue
      const result = delivery.published ? (reason ?? 'published') : 'deduplicated'
      counts.set(result, (counts.get(result) ?? 0) + 1)
      if (reason !== null && delivery.published) this.logDropped(reason, delivery)
    }
    for (const [result, count] of counts) metrics.messages(result, count)
  }

  private logDropped(reason: DropReason, { offset }: Delivery): void {
    const now = this.parts.clock.monotonic()
    if (now - this.dropLogs.since >= MINUTE_MS) this.dropLogs = { since: now, count: 0 }
    if (this.dropLogs.count++ < DROP_LOGS_PER_MINUTE_MAX)
      this.parts.log.warn({ reason, offset }, 'dropped a message of the bus')
  }
}

function eventsIn(call: PublishCall): number {
  let events = 0
  for (const { event } of call.deliveries) if (event !== null) events++
  return events
}
