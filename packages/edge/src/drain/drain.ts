import { GOING_AWAY } from '@wazo-websocketd/shared/domain/close'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import type { Connection } from '../session/connection.js'
import type { ConnectionTable } from '../session/connection-table.js'

export interface DrainOptions {
  readonly clock: Clock
  readonly connections: Pick<ConnectionTable, 'size' | 'all' | 'tokenGroups'>
  /** Connections that another worker passes on: they will be in the table in a moment. */
  readonly arriving: () => number
  /** Sessions closed per second at least: this worker's share of `drain.rate`. */
  readonly ratePerSecond: number
  /** `drain.timeout` in milliseconds. */
  readonly timeout: number
  /**
   * Closes the sessions of one token with 1012, at once or soon; returns how many that are. `final`: the deadline is
   * near. They stay in the table until they are gone; called for them again meanwhile, it does nothing.
   */
  readonly closeGroup: (group: readonly Connection[], final: boolean) => number
}

const STEP_MS = 50
/** Share of the timeout within which all sessions are closed. */
const TIMEOUT_SHARE = 0.8
/** What the last close handshakes may take after the deadline. Less than the primary waits before it kills. */
const LINGER_MS = 1_500

/**
 * Closes a worker's sessions with 1012 (C2.13), paced, all sessions of one token together; those left at the deadline,
 * or when `closeRemaining` is called, with 1001 (C2.9). The caller keeps new sessions out.
 */
export class Drain {
  private readonly options: DrainOptions
  private readonly rate: number
  private readonly finalAt: number
  private deadline: number
  private groups: Iterator<readonly Connection[]>
  private credit = 0
  private closedRemaining = false
  private done: (() => void) | null = null

  constructor(options: DrainOptions) {
    const { connections, ratePerSecond, timeout, clock } = options
    this.options = options
    this.rate = Math.max(ratePerSecond, connections.size / ((TIMEOUT_SHARE * timeout) / 1000))
    this.finalAt = clock.monotonic() + TIMEOUT_SHARE * timeout
    this.deadline = clock.monotonic() + timeout
    this.groups = connections.tokenGroups()[Symbol.iterator]()
  }

  /** Resolves when all connections are gone, or some seconds after the deadline with the rest to be destroyed. */
  run(): Promise<void> {
    return new Promise((resolve) => {
      this.done = resolve
      this.step()
    })
  }

  /** Counts sessions that were closed otherwise for the pace. */
  account(sessions: number): void {
    this.credit -= sessions
  }

  /** Closes all sessions that are left at once (1001). */
  closeRemaining(): void {
    this.closedRemaining = true
    this.deadline = Math.min(this.deadline, this.options.clock.monotonic())
    this.endAll()
  }

  private endAll(): void {
    for (const connection of this.options.connections.all())
      if (!connection.ending) connection.end(GOING_AWAY)
  }

  private step(): void {
    const { clock, connections, arriving } = this.options
    const now = clock.monotonic()
    if (now >= this.deadline && !this.closedRemaining) this.closeRemaining()
    if (connections.size + arriving() === 0 || now >= this.deadline + LINGER_MS) {
      this.done?.()
      return
    }
    if (this.closedRemaining) this.endAll()
    else this.closeSome()
    clock.after(STEP_MS, () => this.step())
  }

  /**
   * Closes the sessions of some tokens. A group is closed as a whole; one larger than the credit left is paid off by
   * later steps.
   */
  private closeSome(): void {
    this.credit = Math.min(this.rate, this.credit + (this.rate * STEP_MS) / 1000)
    const final = this.options.clock.monotonic() >= this.finalAt
    while (this.credit > 0) {
      const next = this.groups.next()
      if (next.done === true) {
        // Connections that came after this round began get a round of their own.
        this.groups = this.options.connections.tokenGroups()[Symbol.iterator]()
        return
      }
      this.credit -= this.options.closeGroup(next.value, final)
    }
  }
}
