import type { IngestState } from '@wazo-websocketd/shared/domain/envelope'
import type { Epoch, Offset } from '@wazo-websocketd/shared/domain/identity'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import type { FailureLog } from './failure-log.js'

export interface StatusOptions {
  /** How old the last own canary that came through may be for `up`. */
  readonly canaryTimeoutMs: number
  /** How long nothing may move, because of the broker, before the ingest counts as down. */
  readonly downAfterMs: number
  /** The same, because of Redis: `redis.lost_grace`. */
  readonly redisGraceMs: number
}

/**
 * What an ingest knows of itself. One rule tells how it is: `up` while its own canaries come through to Redis, `down` without a
 * connection to the broker or when nothing has moved for too long, `catching-up` in between.
 */
export class Status {
  /** Another stream, partition count or form is in force: this ingest has no say. */
  passive = false
  epoch: Epoch | null = null
  heads: readonly Offset[] = []
  private readonly options: StatusOptions
  private readonly clock: Clock
  private readonly failureLog: FailureLog
  private connected = false
  /** Since when the broker has refused what events need to get into the stream, which canaries do not need. */
  private refusedSince: number | null = null
  /** When the last own canary was sent that came through since this ingest attached. */
  private caughtUpAt: number | null = null
  /** When it last got on. */
  private progressedAt: number
  /** How long it may stand still for the reason that it told last. */
  private graceMs: number

  constructor(options: StatusOptions, clock: Clock, failureLog: FailureLog) {
    this.options = options
    this.clock = clock
    this.failureLog = failureLog
    this.progressedAt = clock.monotonic()
    this.graceMs = options.downAfterMs
  }

  get brokerConnected(): boolean {
    return this.connected
  }

  set brokerConnected(is: boolean) {
    this.connected = is
    if (is) this.progressed()
  }

  get state(): IngestState {
    const now = this.clock.monotonic()
    if (!this.connected || now - this.progressedAt > this.graceMs) return 'down'
    if (now - (this.refusedSince ?? now) > this.options.downAfterMs) return 'down'
    return this.caughtUpAt !== null && now - this.caughtUpAt <= this.options.canaryTimeoutMs
      ? 'up'
      : 'catching-up'
  }

  /** Whether the broker refuses exchanges or bindings. */
  set topologyRefused(is: boolean) {
    this.refusedSince = is ? (this.refusedSince ?? this.clock.monotonic()) : null
  }

  /** What came through before says nothing about this place, which may be an older one. */
  attached(epoch: Epoch, heads: readonly Offset[]): void {
    Object.assign(this, { epoch, heads })
    this.caughtUpAt = null
  }

  /** Nothing comes through any more until it has attached again. */
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
  }

  /** It does not get on, says why in the log, and tries again. `fatal`: there is no point in waiting for an end of that. */
  failed(by: 'broker' | 'redis' | 'fatal', why: string, lasting?: string): void {
    const { downAfterMs, redisGraceMs } = this.options
    this.graceMs = by === 'fatal' ? -1 : by === 'redis' ? redisGraceMs : downAfterMs
    this.failureLog.report(why, lasting)
  }
}
