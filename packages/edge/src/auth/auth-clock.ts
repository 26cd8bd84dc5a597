import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import { ClockOffset } from './clock-offset.js'

/** Tells wazo-auth's time as this process knows it: what the life of a token is measured by. */
export class AuthClock {
  /** Takes in what wazo-auth's answers tell of its clock. */
  readonly offset = new ClockOffset()
  private readonly clock: Clock

  constructor(clock: Clock) {
    this.clock = clock
  }

  /** Milliseconds of Unix time. */
  readonly now = (): number => this.offset.authTime(this.clock.monotonic(), this.clock.now())

  /** By how much `now` may be wrong, milliseconds. */
  readonly uncertainty = (): number => this.offset.uncertainty(this.clock.monotonic())
}
