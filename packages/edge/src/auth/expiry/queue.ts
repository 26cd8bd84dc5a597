import type { Clock, Timer } from '@wazo-websocketd/shared/runtime/clock'
import { RateLimitedLog } from '@wazo-websocketd/shared/runtime/rate-limited-log'
import type { RedisClient } from '@wazo-websocketd/shared/redis/client'
import { messageOf } from '@wazo-websocketd/shared/runtime/startup-error'
import type { TokenHash } from '@wazo-websocketd/shared/runtime/token-hash'
import { Queue, type JobsOptions } from 'bullmq'
import type { Logger } from 'pino'
import { EXPIRY_QUEUE, jobData, jobId, queuePrefix, type ExpiryJob, type ExpiryJobData } from './job.js'
import type { AuthMetrics } from '../metrics.js'

/** Jobs that go to Redis in one pipeline. */
export const WINDOW_JOBS_MAX = 250
/** Pipelines under way: while Redis is busy with one of them, the next is being made. */
export const WINDOWS_MAX = 2
/** For so long jobs are collected before they go out together. */
const WINDOW_MS = 10
const READD_EVERY_MS = 600_000
const READD_JITTER_SHARE = 0.2
/** Redis answers, but takes no jobs: read-only, out of memory. */
const READD_AFTER_FAILURE_MS = 5_000
/** What BullMQ tells of jobs on its own stream, which nothing here reads. */
const EVENTS_KEPT_MAX = 100
/** A processor fails when it cannot reach Redis: it tries again until it can. */
const ATTEMPTS_MAX = 1_000
const RETRY_DELAY_MS = 1_000

const JOB_NAME = 'token'
const JOB_OPTIONS: JobsOptions = {
  attempts: ATTEMPTS_MAX,
  backoff: { type: 'fixed', delay: RETRY_DELAY_MS },
  removeOnComplete: true,
  removeOnFail: true,
  stackTraceLimit: 0,
}

/** The queue as BullMQ has it. */
export function openQueue(client: RedisClient, prefix: string): Queue<ExpiryJobData> {
  const queue = new Queue<ExpiryJobData>(EXPIRY_QUEUE, {
    connection: client,
    prefix: queuePrefix(prefix),
    // Its question to the server could fail just then, and the queue would never recover from that.
    skipVersionCheck: true,
    streams: { events: { maxLen: EVENTS_KEPT_MAX } },
    defaultJobOptions: JOB_OPTIONS,
  })
  // Whoever made the client logs what befalls the connection; what befalls a command is told by `addBulk`.
  queue.on('error', () => undefined)
  return queue
}

/** What `addBulk` takes for a job; `now` is wazo-auth's time. */
export function bulkJob(job: ExpiryJob, now: number) {
  const delay = Math.max(1, Math.ceil(job.dueAt - now))
  return { name: JOB_NAME, data: jobData(job), opts: { jobId: jobId(job.hash), delay } }
}

export interface ExpiryQueueOptions {
  /** A connection of this queue's own, whose commands fail at once while Redis is away. */
  readonly client: RedisClient
  /** `redis.prefix`. */
  readonly prefix: string
  readonly clock: Clock
  /** wazo-auth's time, milliseconds of Unix time. */
  readonly authTime: () => number
  /** The jobs of all live tokens of this worker. */
  readonly liveJobs: () => Iterable<ExpiryJob>
  readonly logger: Logger
  readonly metrics: Pick<AuthMetrics, 'jobs'>
  readonly random?: () => number
}

/**
 * Adds jobs to the cluster's timer, BullMQ's queue `token-expiry`. Nobody waits for it: what does not get
 * through is added again when Redis is back, and every ten minutes in case that Redis has lost it.
 */
export class ExpiryQueue {
  private readonly options: ExpiryQueueOptions
  private readonly queue: Queue<ExpiryJobData>
  private readonly log: RateLimitedLog
  /** The latest job of each token that waits for the next window. */
  private readonly waiting = new Map<TokenHash, ExpiryJob>()
  private connected = false
  private windowsInFlight = 0
  private windowTimer: Timer | null = null
  private readdTimer: Timer | null = null

  constructor(options: ExpiryQueueOptions) {
    const { client, prefix, logger, clock } = options
    this.options = options
    this.log = new RateLimitedLog(logger, clock)
    this.queue = openQueue(client, prefix)
    client.on('ready', () => this.connectionReady())
    client.on('close', () => this.connectionClosed())
    if (client.status === 'ready') this.connected = true
    this.scheduleReadd(this.interval())
  }

  /** Adds a job with the next window; one of the same token that is in Redis already stays as it is. */
  add(job: ExpiryJob): void {
    if (!this.connected) return
    this.waiting.set(job.hash, job)
    this.scheduleWindow()
  }

  /** Ends the connection; what waits is given up. */
  close(): void {
    this.connectionClosed()
    this.readdTimer?.cancel()
    this.log.close()
    this.options.client.disconnect()
  }

  private connectionReady(): void {
    this.connected = true
    this.readd()
  }

  private connectionClosed(): void {
    this.connected = false
    this.waiting.clear()
    this.windowTimer?.cancel()
    this.windowTimer = null
  }

  private scheduleWindow(): void {
    while (this.waiting.size >= WINDOW_JOBS_MAX && this.windowsInFlight < WINDOWS_MAX) void this.flush()
    if (this.windowTimer !== null || this.windowsInFlight === WINDOWS_MAX || this.waiting.size === 0) return
    this.windowTimer = this.options.clock.after(WINDOW_MS, () => {
      this.windowTimer = null
      if (this.windowsInFlight < WINDOWS_MAX && this.waiting.size > 0) void this.flush()
    })
  }

  /** A bounded number of windows at a time: a slow Redis is not flooded. */
  private async flush(): Promise<void> {
    const jobs = this.take()
    const { authTime, metrics } = this.options
    const now = authTime()
    this.windowsInFlight++
    try {
      await this.queue.addBulk(jobs.map((job) => bulkJob(job, now)))
      metrics.jobs('added', jobs.length)
    } catch (error) {
      metrics.jobs('refused', jobs.length)
      this.refused(error)
    }
    this.windowsInFlight--
    this.scheduleWindow()
  }

  private take(): ExpiryJob[] {
    const jobs: ExpiryJob[] = []
    for (const [hash, job] of this.waiting) {
      jobs.push(job)
      this.waiting.delete(hash)
      if (jobs.length === WINDOW_JOBS_MAX) break
    }
    return jobs
  }

  private refused(error: unknown): void {
    if (!this.connected) return
    this.log.error(
      'refused',
      { queue: EXPIRY_QUEUE, why: messageOf(error) },
      'Redis takes no jobs for the expiry of tokens: each worker watches over its own meanwhile',
    )
    this.scheduleReadd(READD_AFTER_FAILURE_MS)
  }

  private readd(): void {
    this.keepFewEvents()
    for (const job of this.options.liveJobs()) this.add(job)
    this.scheduleReadd(this.interval())
  }

  /** BullMQ says this to Redis only once, at its start; one that comes back empty would keep 10,000. */
  private keepFewEvents(): void {
    const { client } = this.options
    client.hset(this.queue.toKey('meta'), 'opts.maxLenEvents', EVENTS_KEPT_MAX).catch(() => undefined)
  }

  private scheduleReadd(delay: number): void {
    this.readdTimer?.cancel()
    this.readdTimer = this.options.clock.after(delay, () => this.readd())
  }

  private interval(): number {
    const { random = Math.random } = this.options
    return READD_EVERY_MS * (1 - READD_JITTER_SHARE * random())
  }
}
