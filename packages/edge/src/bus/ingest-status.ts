/** What the ingests report of themselves, and whether the bus is lost by it. Pure. */
import type { IngestState, StateMessage } from '@wazo-websocketd/shared/domain/envelope'

/** A state older than this does not count. */
const STATE_FRESH_MS = 3_000
/** Ingests remembered at most; a flood of names must not grow the map. */
const INGESTS_MAX = 64

export interface IngestGraces {
  /** `bus.lost_grace`: how long sessions stay while all ingests report that the broker is gone. */
  readonly lostGraceMs: number
  /** `bus.silence_grace`: how long sessions stay while no ingest reports anything. */
  readonly silenceGraceMs: number
}

/** The best of the reported states: one ingest that is up is enough. `silent`: no state is fresh. */
export type BusState = IngestState | 'silent'

/** What one ingest has said of itself. */
export interface IngestReport {
  readonly ingest: string
  readonly state: IngestState
  /** Milliseconds since then. */
  readonly ageMs: number
}

/** Finds out what the states of all ingests come to. All times are milliseconds of a monotonic clock. */
export class IngestStatus {
  private readonly graces: IngestGraces
  private readonly lastStates = new Map<string, { state: IngestState; at: number }>()
  private lastStateAt: number
  private downSince: number | null = null

  constructor(graces: IngestGraces, now: number) {
    this.graces = graces
    this.lastStateAt = now
  }

  /** Takes in a state message. */
  received(message: StateMessage, now: number): void {
    this.lastStateAt = now
    this.forgetOld(now)
    if (this.lastStates.size >= INGESTS_MAX && !this.lastStates.has(message.ingest)) return
    this.lastStates.set(message.ingest, { state: message.state, at: now })
    this.updateDownSince(now)
  }

  /** Leaves the time from `since` until now out of the silence: no state could arrive then, whatever the ingests did. */
  excuseSilence(since: number, now: number): void {
    this.lastStateAt += now - Math.max(since, this.lastStateAt)
  }

  /** What each ingest has said last, as far as that is fresh. */
  list(now: number): readonly IngestReport[] {
    this.forgetOld(now)
    return [...this.lastStates].map(([ingest, { state, at }]) => ({ ingest, state, ageMs: now - at }))
  }

  state(now: number): BusState {
    this.forgetOld(now)
    let best: BusState = 'silent'
    for (const { state } of this.lastStates.values()) {
      if (state === 'up') return 'up'
      if (state === 'catching-up' || best === 'silent') best = state
    }
    return best
  }

  /** Why the sessions have to end with 1011, or null while they may stay. */
  lossReason(now: number): string | null {
    this.updateDownSince(now)
    if (this.downSince !== null && now - this.downSince >= this.graces.lostGraceMs)
      return 'every ingest is down'
    if (this.state(now) === 'silent' && now - this.lastStateAt >= this.graces.silenceGraceMs)
      return 'no ingest has been heard of'
    return null
  }

  /** The grace runs from the moment at which no ingest was better than `down` any more. */
  private updateDownSince(now: number): void {
    const state = this.state(now)
    if (state === 'down') this.downSince ??= now
    else this.downSince = null
  }

  private forgetOld(now: number): void {
    for (const [ingest, { at }] of this.lastStates) {
      if (now - at > STATE_FRESH_MS) this.lastStates.delete(ingest)
    }
  }
}
