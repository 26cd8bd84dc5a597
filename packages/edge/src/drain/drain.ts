import { GOING_AWAY } from '@wazo-websocketd/shared/domain/close'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import type { Connection } from '../session/connection.js'
import type { ConnectionTable } from '../session/connection-table.js'

export interface DrainOptions {
  readonly clock: Clock
  readonly connections: Pick<ConnectionTable, 'size' | 'all' | 'tokens'>
  /** Sessions closed per second at least: this worker's share of `drain.rate`. */
  readonly ratePerSecond: number
  /** `drain.timeout` in milliseconds. */
  readonly timeout: number
  /**
   * Lets the sessions of one token go with 1012, at once or soon; returns how many that are. `lastCall`: the deadline is
   * near. They stay in the roster until they are gone; asked again for them meanwhile, it does nothing.
   */
  readonly leave: (group: readonly Connection[], final: boolean) => number
}

const STEP_MS = 50
/** The pace is chosen so that so much of the timeout suffices. */
const TIMEOUT_SHARE = 0.8
/** After the deadline: what the last close handshakes may take. Less than what the primary waits before it kills. */
const LINGER_MS = 1_500

/**
 * Closes a worker's sessions with 1012, paced, all sessions of one token together; what is left at the
 * deadline, or when `goAway` is called, gets 1001. New sessions are the caller's to keep out.
 */
export class Drain {
  private readonly options: DrainOptions
  private readonly rate: number
  private readonly lastCallAt: number
  private deadline: number
  private groups: Iterator<readonly Connection[]>
  private credit = 0
  private closedRemaining = false
  private done: (() => void) | null = null

  constructor(options: DrainOptions) {
    const { connections, ratePerSecond, timeout, clock } = options
    this.options = options
    this.rate = Math.max(ratePerSecond, connections.size / ((TIMEOUT_SHARE * timeout) / 1000))
    this.lastCallAt = clock.monotonic() + TIMEOUT_SHARE * timeout
    this.deadline = clock.monotonic() + timeout
    this.groups = connections.tokens()[Symbol.iterator]()
  }

  /** Resolves when all connections are gone, or some seconds after the deadline with the rest to be destroyed. */
  run(): Promise<void> {
    return new Promise((resolve) => {
      this.done = resolve
      this.step()
    })
  }

  /** So many sessions have been let go by somebody else: they count for the pace. */
  account(sessions: number): void {
    this.credit -= sessions
  }

  /** Closes what is left at once (1001). */
  closeRemaining(): void {
    this.closedRemaining = true
    this.deadline = Math.min(this.deadline, this.options.clock.monotonic())
    for (const connection of this.options.connections.all())
      if (!connection.ending) connection.end(GOING_AWAY)
  }

  private step(): void {
    const { clock, connections } = this.options
    const now = clock.monotonic()
    if (now >= this.deadline && !this.closedRemaining) this.closeRemaining()
    if (connections.size === 0 || now >= this.deadline + LINGER_MS) {
      this.done?.()
      return
    }
    if (!this.closedRemaining) this.closeSome()
    clock.after(STEP_MS, () => this.step())
  }

  /** A group is closed as a whole, and paid for afterwards when it is larger than what may go now. */
  private closeSome(): void {
    this.credit = Math.min(this.rate, this.credit + (this.rate * STEP_MS) / 1000)
    const final = this.options.clock.monotonic() >= this.lastCallAt
    while (this.credit > 0) {
      const next = this.groups.next()
      if (next.done === true) {
        // Connections that were still on their way when the round began get one of their own.
        this.groups = this.options.connections.tokens()[Symbol.iterator]()
        return
      }
      this.credit -= this.options.leave(next.value, final)
    }
  }
}
