import type { PublishAnswer } from './publish/sequencer.js'
import type { DropReason } from './normalise/normalise.js'

/** What an ingest counts; the composition root gives it to prom-client. */
export interface IngestMetrics {
  amqpConnected(connected: boolean): void
  amqpReconnected(): void
  redisConnected(connected: boolean): void
  /** This ingest's batches are the ones that go out. */
  publishing(is: boolean): void
  messages(result: MessageResult, count: number): void
  /** One batch that went out: its events, and the seconds that the script took. */
  published(events: number, seconds: number): void
  /** What became of one call of the script. */
  answered(answer: PublishAnswer['kind']): void
  /** Redis refused a batch for a reason of its own. */
  publishFailed(): void
  /** Seconds from the sending of a canary until head had passed it. */
  lag(seconds: number): void
}

/** `deduplicated`: another ingest had published it. */
export type MessageResult = 'published' | 'deduplicated' | DropReason
