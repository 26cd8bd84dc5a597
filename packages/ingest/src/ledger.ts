import type { Logger } from 'pino'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import type { Answer, PublishCall } from './chain.js'
import type { Delivery } from './delivery.js'
import type { IngestMetrics, MessageResult } from './metrics.js'
import type { DropReason } from './normalise.js'
import type { Situation } from './state.js'

export interface LedgerParts {
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: IngestMetrics
  readonly situation: Situation
}

const MINUTE_MS = 60_000
const DROP_LOGS_PER_MINUTE_MAX = 10

/** Accounts for every batch and every delivery: metrics, the situation, and a bounded number of log lines. */
export class Ledger {
  private readonly parts: LedgerParts
  private dropLogs = { since: -MINUTE_MS, count: 0 }

  constructor(parts: LedgerParts) {
    this.parts = parts
  }

  /** Redis answered these calls, `seconds` after they were sent together. */
  answered(calls: readonly PublishCall[], answers: readonly Answer[], seconds: number): void {
    const { metrics, log, situation } = this.parts
    // One partition that Redis refuses is enough, whatever it says about the others.
    if (answers.some(({ kind }) => kind !== 'lost'))
      situation.refused = answers.some(({ kind }) => kind === 'failed')
    answers.forEach((answer, i) => {
      const call = calls[i]
      if (call === undefined) return
      metrics.answered(answer.kind)
      if (answer.kind === 'OK') metrics.published(eventsIn(call), seconds)
      if (answer.kind !== 'failed') return
      metrics.publishFailed()
      log.error({ partition: call.partition }, `a batch was refused by ${answer.why}`)
    })
  }

  /** These deliveries are done with: published from here, by another ingest, or dropped. */
  released(deliveries: readonly Delivery[]): void {
    const { situation, metrics, clock } = this.parts
    const counts = new Map<MessageResult, number>()
    for (const delivery of deliveries) {
      const { canarySentAt, event, reason } = delivery
      if (canarySentAt !== null) {
        situation.canarySentAt = canarySentAt
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
