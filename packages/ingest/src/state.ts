import { encodeState } from '@wazo-websocketd/shared/domain/envelope'
import type { IngestState } from '@wazo-websocketd/shared/domain/envelope'
import type { Epoch, Offset } from '@wazo-websocketd/shared/domain/identity'
import type { Clock, Timer } from '@wazo-websocketd/shared/runtime/clock'

/** What an ingest knows of itself; kept up to date by the parts that know. */
export interface Situation {
  brokerConnected: boolean
  /** The chain is running: what the stream holds is on its way into Redis. */
  attached: boolean
  /** Redis refused a batch; true until attached again. */
  refused: boolean
  /**
   * Monotonic milliseconds since which the broker has refused to set this ingest up, or what events need to get into the
   * stream; null: it has not, or does no more.
   */
  brokerRefusesSince: number | null
  /** Another stream, partition count or form is in force: this ingest has no say. */
  passive: boolean
  epoch: Epoch | null
  heads: readonly Offset[]
  /** Monotonic milliseconds at which the last own canary was sent that head has passed since attached. */
  canarySentAt: number | null
}

/** The situation of an ingest that has just started. */
export function initialSituation(): Situation {
  return {
    brokerConnected: false,
    attached: false,
    refused: false,
    brokerRefusesSince: null,
    passive: false,
    epoch: null,
    heads: [],
    canarySentAt: null,
  }
}

/** A broker that has just started refuses for a while what it grants a moment later. */
const REFUSES_MS_MAX = 10_000

/**
 * The one word for a situation (architecture, section 1): `up` needs an own canary that went all the way
 * within `canaryMs`, unless the broker takes no message from publishers. `down` as well when the broker answers but
 * will not set it up, or declare what events come through (another type of queue or exchange, no permission): it may be
 * so for ever.
 */
export function judge(situation: Situation, blocked: boolean, now: number, canaryMs: number): IngestState {
  if (!situation.brokerConnected || situation.refused) return 'down'
  const { brokerRefusesSince: since } = situation
  if (since !== null && now - since >= REFUSES_MS_MAX) return 'down'
  if (!situation.attached) return 'catching-up'
  if (blocked) return 'up'
  const { canarySentAt } = situation
  return canarySentAt !== null && now - canarySentAt <= canaryMs ? 'up' : 'catching-up'
}

export interface AnnouncerOptions {
  readonly ingest: string
  readonly intervalMs: number
  readonly canaryMs: number
}

export interface AnnouncerParts {
  readonly clock: Clock
  /** Whether the broker takes no message from publishers. */
  readonly blocked: () => boolean
  /** May reject: the next one follows soon. */
  readonly send: (message: Uint8Array) => Promise<void>
}

/** Says on the live channel, each second and at every change, how this ingest is. */
export class Announcer {
  private readonly options: AnnouncerOptions
  private readonly parts: AnnouncerParts
  private readonly situation: Situation
  private timer: Timer | null = null
  private said: IngestState | null = null
  private underWay = false

  constructor(options: AnnouncerOptions, situation: Situation, parts: AnnouncerParts) {
    this.options = options
    this.situation = situation
    this.parts = parts
  }

  get state(): IngestState {
    const { clock, blocked } = this.parts
    return judge(this.situation, blocked(), clock.monotonic(), this.options.canaryMs)
  }

  start(): void {
    this.say()
    this.timer = this.parts.clock.after(this.options.intervalMs, () => this.start())
  }

  /** Says nothing from now on: an ingest that ends in order is silent, not down. */
  stop(): void {
    this.timer?.cancel()
    this.timer = null
  }

  /** The situation changed: says so at once if that makes another state. */
  changed(): void {
    if (this.timer !== null && this.state !== this.said) this.say()
  }

  private say(): void {
    if (this.situation.passive || this.underWay) return
    const { epoch, heads } = this.situation
    this.said = this.state
    this.underWay = true
    const message = encodeState({ ingest: this.options.ingest, epoch, state: this.said, heads })
    void this.parts
      .send(message)
      .catch(() => undefined) // Redis is away: nobody could hear it
      .finally(() => (this.underWay = false))
  }
}
