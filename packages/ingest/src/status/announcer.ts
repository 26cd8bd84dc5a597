import { encodeState, type IngestState } from '@wazo-websocketd/shared/domain/envelope'
import type { Clock, Timer } from '@wazo-websocketd/shared/runtime/clock'
import type { Status } from './status.js'

export interface AnnouncerOptions {
  readonly ingest: string
  readonly intervalMs: number
}

/** Publishes the state of this ingest on the live channels, each second and at every change. */
export class Announcer {
  private readonly options: AnnouncerOptions
  private readonly clock: Clock
  private readonly status: Status
  private readonly send: (message: Uint8Array) => void
  private timer: Timer | null = null
  private lastAnnounced: IngestState | null = null

  constructor(options: AnnouncerOptions, clock: Clock, status: Status, send: (message: Uint8Array) => void) {
    this.options = options
    this.clock = clock
    this.status = status
    this.send = send
  }

  start(): void {
    this.announce()
    this.timer = this.clock.after(this.options.intervalMs, () => this.start())
  }

  /** Announces nothing more: an ingest that ends in order is silent, not down. */
  stop(): void {
    this.timer?.cancel()
    this.timer = null
  }

  /** Announces the state at once if the change of the status made it another one. */
  statusChanged(): void {
    if (this.timer !== null && this.status.state !== this.lastAnnounced) this.announce()
  }

  private announce(): void {
    if (this.status.passive) return
    const { epoch, heads, state } = this.status
    this.lastAnnounced = state
    this.send(encodeState({ ingest: this.options.ingest, epoch, state, heads }))
  }
}
