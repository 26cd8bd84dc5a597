import type { IngestState } from '@wazo-websocketd/shared/domain/envelope'
import type { Epoch, Offset } from '@wazo-websocketd/shared/domain/position'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import type { Complaints } from './complaints.js'

export interface StatusOptions {
  /** How old the last own canary that came through may be for `up`. */
  readonly canaryMs: number
  /** How long nothing may move, because of the broker, before the ingest counts as down. */
  readonly stalledMs: number
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
  private readonly complaints: Complaints
  private connected = false
  /** Since when the broker has refused what events need to get into the stream, which canaries do not need. */
  private refusedSince: number | null = null
  /** When the last own canary was sent that came through since this ingest attached. */
  private provenAt: number | null = null
  /** When it last got on. */
  private movedAt: number
  /** How long it may stand still for the reason that it told last. */
  private graceMs: number

  constructor(options: StatusOptions, clock: Clock, complaints: Complaints) {
    this.options = options
    this.clock = clock
    this.complaints = complaints
    this.movedAt = clock.monotonic()
    this.graceMs = options.stalledMs
  }

  get brokerConnected(): boolean {
    return this.connected
  }

  set brokerConnected(is: boolean) {
    this.connected = is
    if (is) this.moved()
  }

  get state(): IngestState {
    const now = this.clock.monotonic()
    if (!this.connected || now - this.movedAt > this.graceMs) return 'down'
    if (now - (this.refusedSince ?? now) > this.options.stalledMs) return 'down'
    return this.provenAt !== null && now - this.provenAt <= this.options.canaryMs ? 'up' : 'catching-up'
  }

  /** Whether the broker refuses exchanges or bindings. */
  set eventsRefused(is: boolean) {
    this.refusedSince = is ? (this.refusedSince ?? this.clock.monotonic()) : null
  }

  /** What came through before says nothing about this place, which may be an older one. */
  attached(epoch: Epoch, heads: readonly Offset[]): void {
    Object.assign(this, { epoch, heads })
    this.provenAt = null
  }

  /** Nothing comes through any more until it has attached again. */
  detached(): void {
    this.provenAt = null
  }

  /** Messages of the stream have come into the logs. */
  moved(): void {
    this.movedAt = this.clock.monotonic()
    this.graceMs = this.options.stalledMs
  }

  /** Everything that was in the stream at monotonic `at` is in the logs. */
  proven(at: number): void {
    this.provenAt = at
    this.moved()
  }

  /** It does not get on, says why in the log, and tries again. `fatal`: there is no point in waiting for an end of that. */
  waits(by: 'broker' | 'redis' | 'fatal', why: string, lasting?: string): void {
    const { stalledMs, redisGraceMs } = this.options
    this.graceMs = by === 'fatal' ? -1 : by === 'redis' ? redisGraceMs : stalledMs
    this.complaints.say(why, lasting)
  }
}
