export interface BackoffOptions {
  /** The first delay, milliseconds. */
  readonly firstMs: number
  /** No delay is longer, jitter included. */
  readonly maxMs: number
  /** Growth from one delay to the next; 2 unless given. */
  readonly factor?: number
  /** Share of each delay that is random, 0 to 1; 0.2 unless given. */
  readonly jitter?: number
  /** From 0 up to, not including, 1; `Math.random` unless given. */
  readonly random?: () => number
}

/** Gives the delays between attempts: exponential, capped, with jitter so that many do not come back at once. */
export class Backoff {
  private readonly firstMs: number
  private readonly maxMs: number
  private readonly factor: number
  private readonly jitter: number
  private readonly random: () => number
  private currentMs: number

  constructor({ firstMs, maxMs, factor = 2, jitter = 0.2, random = Math.random }: BackoffOptions) {
    this.firstMs = firstMs
    this.maxMs = maxMs
    this.factor = factor
    this.jitter = jitter
    this.random = random
    this.currentMs = Math.min(firstMs, maxMs)
  }

  /** The delay before the next attempt, milliseconds; the one after it is longer. */
  next(): number {
    const delay = this.currentMs
    this.currentMs = Math.min(delay * this.factor, this.maxMs)
    return delay * (1 - this.jitter * this.random())
  }

  /** After a success: the next delay is the first one again. */
  reset(): void {
    this.currentMs = Math.min(this.firstMs, this.maxMs)
  }
}
