import type { Clock, Timer } from '@wazo-websocketd/shared/runtime/clock'

/** A connection, as the heartbeat sees it. The heartbeat alone writes `slot` and `unanswered`. */
export interface Pingable {
  /** Where the connection stands on the wheel; null: nowhere. */
  slot: number | null
  /** The tick of the oldest ping without an answer, or null. */
  pendingPingTick: number | null
  /** Whether the server itself does not read, so that an answer cannot be seen. */
  readonly paused: boolean
  ping(): void
  /** No answer within the time allowed. */
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
  private readonly slots: Set<Pingable>[]
  private readonly due = new Map<number, Pingable[]>()
  private tickNumber = 0
  private nextSlot = 0
  private members = 0
  private timer: Timer | null = null

  constructor({ clock, pingInterval, pongTime }: HeartbeatOptions) {
    this.clock = clock
    this.tickMs = Math.min(TICK_MS_MAX, pingInterval, pongTime)
    this.pongTicks = Math.ceil(pongTime / this.tickMs)
    this.slots = Array.from({ length: Math.round(pingInterval / this.tickMs) }, () => new Set<Pingable>())
  }

  add(member: Pingable): void {
    if (member.slot !== null) return
    member.slot = this.nextSlot
    this.nextSlot = (this.nextSlot + 1) % this.slots.length
    this.slots[member.slot]?.add(member)
    this.members += 1
    this.timer ??= this.clock.after(this.tickMs, () => this.tick())
  }

  remove(member: Pingable): void {
    if (member.slot === null) return
    this.slots[member.slot]?.delete(member)
    member.slot = null
    this.members -= 1
    if (this.members > 0) return
    this.timer?.cancel()
    this.timer = null
    this.due.clear()
  }

  private tick(): void {
    this.timer = this.clock.after(this.tickMs, () => this.tick())
    this.tickNumber += 1
    this.judge(this.due.get(this.tickNumber) ?? [])
    this.due.delete(this.tickNumber)
    const pinged: Pingable[] = []
    for (const member of this.slots[this.tickNumber % this.slots.length] ?? []) {
      if (member.pendingPingTick === null) {
        member.pendingPingTick = this.tickNumber
        pinged.push(member)
      }
      member.ping()
    }
    this.expect(pinged)
  }

  private expect(pinged: readonly Pingable[]): void {
    if (pinged.length === 0) return
    const at = this.tickNumber + this.pongTicks
    this.due.set(at, [...(this.due.get(at) ?? []), ...pinged])
  }

  private judge(due: readonly Pingable[]): void {
    const postponed: Pingable[] = []
    for (const member of due) {
      if (member.slot === null || member.pendingPingTick === null) continue
      if (member.pendingPingTick > this.tickNumber - this.pongTicks) continue
      if (member.paused) {
        member.pendingPingTick = this.tickNumber
        postponed.push(member)
      } else member.timedOut()
    }
    this.expect(postponed)
  }
}
