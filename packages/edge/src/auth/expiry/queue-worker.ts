import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import { RateLimitedLog } from '@wazo-websocketd/shared/runtime/rate-limited-log'
import { within } from '@wazo-websocketd/shared/runtime/sleep'
import type { RedisClient } from '@wazo-websocketd/shared/redis/client'
import { isConnectionError } from '@wazo-websocketd/shared/redis/errors'
import { messageOf } from '@wazo-websocketd/shared/runtime/startup-error'
import { hashTag } from '@wazo-websocketd/shared/runtime/token-hash'
import { DelayedError, Worker, type Job } from 'bullmq'
import type { Logger } from 'pino'
import { EXPIRY_QUEUE, parseJobData, queuePrefix } from './job.js'
import type { JobResult } from '../metrics.js'
import { encodeExpiryNotice, expiryNoticeChannel } from './notice.js'

/** Jobs under way at a time; each of them is one PUBLISH. */
const CONCURRENCY = 100
/** The clocks of two hosts may differ by this much, and by what wazo-auth's is not known to. */
const EARLY_MAX_MS = 1_000
/** A job takes milliseconds: one that is held for so long belongs to a process that has ended or hangs. */
const LOCK_MS = 5_000
const STALLED_CHECK_MS = 2_500
/** No number of crashes makes a job a bad one. */
const STALLED_MAX = 1_000_000
const RETRY_AFTER_ERROR_MS = 500
/** Closing waits for jobs under way, but not for a Redis that is away. */
const CLOSE_MS_MAX = 1_000

export interface ExpiryWorkerOptions {
  /** A connection of this worker's own, whose commands wait while Redis is away; BullMQ makes another one like it. */
  readonly client: RedisClient
  /** `redis.prefix`. */
  readonly prefix: string
  /** Number of Redis's database; 0 unless given. */
  readonly database?: number
  readonly clock: Clock
  /** wazo-auth's time, milliseconds of Unix time. */
  readonly authTime: () => number
  readonly logger: Logger
  readonly metrics: { jobs(result: JobResult, jobs: number): void }
}

/** Tells the workers of the whole cluster of each job of `token-expiry` that is due. One in each worker; any takes any job. */
export class ExpiryWorker {
  private readonly options: ExpiryWorkerOptions
  private readonly log: RateLimitedLog
  private worker: Worker | null = null

  constructor(options: ExpiryWorkerOptions) {
    this.options = options
    this.log = new RateLimitedLog(options.logger, options.clock)
  }

  start(): void {
    const { client, prefix } = this.options
    this.worker = new Worker(EXPIRY_QUEUE, (job, lock) => this.process(job, lock), {
      connection: client,
      prefix: queuePrefix(prefix),
      concurrency: CONCURRENCY,
      lockDuration: LOCK_MS,
      stalledInterval: STALLED_CHECK_MS,
      maxStalledCount: STALLED_MAX,
      // Of foreign jobs, which do not say so themselves: one that stayed could keep the id of a token for ever.
      removeOnComplete: { count: 0 },
      removeOnFail: { count: 0 },
      runRetryDelay: RETRY_AFTER_ERROR_MS,
    })
    this.worker.on('error', (error) => {
      if (isConnectionError(error)) return // an outage of Redis, which its connections tell
      const why = messageOf(error)
      this.log.warn('error', { queue: EXPIRY_QUEUE, why }, 'the queue for the expiry of tokens has trouble')
    })
  }

  /** Resolves when no job is under way any more, or soon when Redis does not answer. */
  async stop(): Promise<void> {
    const { clock, client } = this.options
    const closed = this.worker?.close() ?? Promise.resolve()
    await within(clock, CLOSE_MS_MAX, 'closing the queue', closed).catch(() => undefined)
    client.disconnect()
    this.log.close()
  }

  private async process(job: Job<unknown>, lock: string | undefined): Promise<void> {
    const { client, prefix, database, clock, authTime, logger, metrics } = this.options
    const due = parseJobData(job.data)
    if (due === null) {
      metrics.jobs('invalid', 1)
      this.log.error(
        'invalid',
        { job: job.id },
        'not a job for the expiry of a token, or of a form that is not known: dropped',
      )
      return
    }
    const early = due.dueAt - authTime()
    if (early > EARLY_MAX_MS) {
      metrics.jobs('early', 1)
      await job.moveToDelayed(clock.now() + early, lock)
      throw new DelayedError()
    }
    const { hash } = due
    const kind = due.dueAt < due.expiresAt ? 're-check' : 'expired'
    const channel = expiryNoticeChannel(prefix, database)
    const notice = encodeExpiryNotice({ kind, hash })
    await (client.isCluster ? client.spublish(channel, notice) : client.publish(channel, notice))
    metrics.jobs(kind, 1)
    logger.debug({ tokenHash: hashTag(hash), lateMs: Math.round(-early) }, kind)
  }
}
