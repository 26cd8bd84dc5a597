/** A time at which continuity of events could not be proven, so that sessions ended with 1011. */
export interface LossRecord {
  readonly at: string
  readonly partition: number
  readonly why: string
  readonly sessions: number
}

const KEPT_MAX = 10

/** Remembers the last losses of a worker. */
export class RecentLosses {
  private readonly losses: LossRecord[] = []

  /** The newest comes last. */
  get list(): readonly LossRecord[] {
    return this.losses
  }

  /** @param now milliseconds of Unix time */
  add(partition: number, why: string, sessions: number, now: number): void {
    this.losses.push({ at: new Date(now).toISOString(), partition, why, sessions })
    if (this.losses.length > KEPT_MAX) this.losses.shift()
  }
}
