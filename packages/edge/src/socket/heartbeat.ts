import type { Clock, Timer } from '@wazo-websocketd/shared/runtime/clock'

/** A connection that is pinged. The heartbeat alone writes `heartbeatSlot` and `pendingPingTick`. */
export interface Pingable {
  /** The slot in which the connection is pinged; null: it is not. */
  heartbeatSlot: number | null
  /** The tick of the oldest ping without an answer, or null. */
  pendingPingTick: number | null
  /** Whether the server itself does not read, so that an answer cannot be seen. */
  readonly paused: boolean
  ping(): void
  /** No answer has come within the time allowed. */
  timedOut(): void
}

export interface HeartbeatOptions {
  readonly clock: Clock
  /** Milliseconds between two pings of a connection. */
  readonly pingInterval: number
  /** Milliseconds after which a ping without an answer means that the peer is gone. */
  readonly pongTime: number
}

const TICK_MS_MAX = 1_000

/** Pings every connection once per interval; one timer for all of them, which are spread over the interval. */
export class Heartbeat {
  private readonly clock: Clock
  private readonly tickMs: number
  private readonly pongTicks: number
  /** Connections by the tick of the interval in which they are pinged. */
  private readonly slots: Set<Pingable>[]
  /** Connections by the tick in which their answer is due. */
  private readonly due = new Map<number, Pingable[]>()
  private tickNumber = 0
  private nextSlot = 0
  private size = 0
  private timer: Timer | null = null

  constructor({ clock, pingInterval, pongTime }: HeartbeatOptions) {
    this.clock = clock
    this.tickMs = Math.min(TICK_MS_MAX, pingInterval, pongTime)
    this.pongTicks = Math.ceil(pongTime / this.tickMs)
    this.slots = Array.from({ length: Math.round(pingInterval / this.tickMs) }, () => new Set<Pingable>())
  }

  /** Pings the connection from now on; idempotent. */
  add(connection: Pingable): void {
    if (connection.heartbeatSlot !== null) return
    connection.heartbeatSlot = this.nextSlot
    connection.pendingPingTick = null
    this.nextSlot = (this.nextSlot + 1) % this.slots.length
    this.slots[connection.heartbeatSlot]?.add(connection)
    this.size += 1
    this.timer ??= this.clock.after(this.tickMs, () => this.tick())
  }

  /** Pings the connection no longer; idempotent. */
  remove(connection: Pingable): void {
    if (connection.heartbeatSlot === null) return
    this.slots[connection.heartbeatSlot]?.delete(connection)
    connection.heartbeatSlot = null
    this.size -= 1
    if (this.size > 0) return
    this.timer?.cancel()
    this.timer = null
    this.due.clear()
  }

  /** The connection's client has answered. */
  answered(connection: Pingable): void {
    connection.pendingPingTick = null
  }

  private tick(): void {
    this.timer = this.clock.after(this.tickMs, () => this.tick())
    this.tickNumber += 1
    this.checkAnswers(this.due.get(this.tickNumber) ?? [])
    this.due.delete(this.tickNumber)
    const pinged: Pingable[] = []
    for (const connection of this.slots[this.tickNumber % this.slots.length] ?? []) {
      if (connection.pendingPingTick === null) {
        connection.pendingPingTick = this.tickNumber
        pinged.push(connection)
      }
      connection.ping()
    }
    this.expectAnswers(pinged)
  }

  private expectAnswers(pinged: readonly Pingable[]): void {
    if (pinged.length === 0) return
    const at = this.tickNumber + this.pongTicks
    this.due.set(at, [...(this.due.get(at) ?? []), ...pinged])
  }

  private checkAnswers(due: readonly Pingable[]): void {
    const postponed: Pingable[] = []
    for (const connection of due) {
      if (connection.heartbeatSlot === null || connection.pendingPingTick === null) continue
      if (connection.pendingPingTick > this.tickNumber - this.pongTicks) continue
      if (connection.paused) {
        connection.pendingPingTick = this.tickNumber
        postponed.push(connection)
      } else connection.timedOut()
    }
    this.expectAnswers(postponed)
  }
}
