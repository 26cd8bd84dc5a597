import type { IngestState } from '@wazo-websocketd/shared/domain/envelope'
import type { Epoch, Offset } from '@wazo-websocketd/shared/domain/position'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import type { Timings } from '../timings.js'
import type { FailureLog, FailureRecord } from './failure-log.js'

export interface StatusOptions extends Pick<Timings, 'canaryTimeoutMs' | 'downAfterMs'> {
  /** As `downAfterMs`, because of Redis: `redis.lost_grace`. */
  readonly redisGraceMs: number
}

/** A new numbering that this ingest began: every session got 1011. */
export interface EpochRecord {
  readonly at: string
  readonly epoch: Epoch
  readonly why: string
}

const EPOCHS_KEPT = 5

/**
 * Knows the status of an ingest. One rule gives its state: `up` while its own canaries come through to Redis, `down`
 * without a connection to the broker or without progress for too long, `catching-up` in between.
 */
export class Status {
  /** Another stream, partition count or form is in force: this ingest neither publishes nor announces anything. */
  passive = false
  epoch: Epoch | null = null
  heads: readonly Offset[] = []
  private readonly begun: EpochRecord[] = []
  private readonly options: StatusOptions
  private readonly clock: Clock
  private readonly failureLog: FailureLog
  private connected = false
  /** Start of the time in which the broker refuses exchanges or bindings: events need them to get into the stream, canaries do not. */
  private refusedSince: number | null = null
  /** Sending of the last own canary that came through since this ingest attached. */
  private caughtUpAt: number | null = null
  private progressedAt: number
  /** Time that may pass without progress, by the cause of the last failure. */
  private graceMs: number

  constructor(options: StatusOptions, clock: Clock, failureLog: FailureLog) {
    this.options = options
    this.clock = clock
    this.failureLog = failureLog
    this.progressedAt = clock.monotonic()
    this.graceMs = options.downAfterMs
  }

  set brokerConnected(is: boolean) {
    this.connected = is
    if (is) this.progressed()
  }

  set topologyRefused(is: boolean) {
    this.refusedSince = is ? (this.refusedSince ?? this.clock.monotonic()) : null
  }

  /** The last epochs that this ingest began; the newest comes last. */
  get epochs(): readonly EpochRecord[] {
    return this.begun
  }

  /** What failed last. */
  get failures(): readonly FailureRecord[] {
    return this.failureLog.recent
  }

  /** This ingest has begun a new epoch. */
  epochBegan(epoch: Epoch, why: string): void {
    this.begun.push({ at: new Date(this.clock.now()).toISOString(), epoch, why })
    if (this.begun.length > EPOCHS_KEPT) this.begun.shift()
  }

  get state(): IngestState {
    const { canaryTimeoutMs, downAfterMs } = this.options
    const now = this.clock.monotonic()
    if (!this.connected || now - this.progressedAt > this.graceMs) return 'down'
    if (now - (this.refusedSince ?? now) > downAfterMs) return 'down'
    return this.caughtUpAt !== null && now - this.caughtUpAt <= canaryTimeoutMs ? 'up' : 'catching-up'
  }

  /** The reasons for which the ingest is not ready, in words; empty when it is. */
  notReadyReasons(redisConnected: boolean): string[] {
    const reasons: string[] = []
    if (!this.connected) reasons.push('connection to RabbitMQ')
    if (!redisConnected) reasons.push('connection to Redis')
    if (this.passive) reasons.push('another stream, partition count or form is in force')
    if (reasons.length === 0 && this.state !== 'up') reasons.push('the backlog of the stream')
    return reasons
  }

  /** Earlier canaries prove nothing about the new place in the stream, which may be an older one. */
  attached(epoch: Epoch, heads: readonly Offset[]): void {
    Object.assign(this, { epoch, heads })
    this.caughtUpAt = null
  }

  /** Nothing comes through until the ingest has attached again. */
  detached(): void {
    this.caughtUpAt = null
  }

  /** Messages of the stream have come into the logs. */
  progressed(): void {
    this.progressedAt = this.clock.monotonic()
    this.graceMs = this.options.downAfterMs
  }

  /** Everything that was in the stream at monotonic `at` is in the logs. */
  caughtUp(at: number): void {
    this.caughtUpAt = at
    this.progressed()
    this.failureLog.recovered()
  }

  /**
   * Reports a failure of what is tried again; `lasting` is logged when it lasts. `fatal` makes the ingest `down` at once,
   * as waiting does not help.
   */
  failed(cause: 'broker' | 'redis' | 'fatal', message: string, lasting?: string): void {
    const { downAfterMs, redisGraceMs } = this.options
    this.graceMs = cause === 'fatal' ? -1 : cause === 'redis' ? redisGraceMs : downAfterMs
    this.failureLog.failed(cause === 'broker' ? 'broker' : 'redis', message, lasting)
  }
}
