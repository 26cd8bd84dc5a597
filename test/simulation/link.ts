import type { Random } from '../support/scenario/random.js'
import type { Scheduler, SimulatedProcess } from './scheduler.js'

/** A message takes so long, milliseconds; now and then much longer. */
const LATENCY_MS = [0.1, 1.5] as const
const SLOW_MS = [5, 60] as const
const SLOW_SHARE = 0.01

/** Where a connection leads: a process, or null for a server. */
type End = SimulatedProcess | null

/** One TCP connection between a process and a server: in order, as slow as the seed wants, and it may break at any moment. */
export class Link {
  private readonly scheduler: Scheduler
  private readonly random: Random
  private readonly client: SimulatedProcess
  private readonly lastAt = { up: 0, down: 0 }
  private open = true
  /** Nothing passes any more. */
  private blocked = false
  private readonly pendingUp = new Set<() => void>()
  private readonly onBroken: { client: () => void; server: () => void }

  constructor(
    scheduler: Scheduler,
    random: Random,
    client: SimulatedProcess,
    onBroken: { client: () => void; server: () => void },
  ) {
    this.scheduler = scheduler
    this.random = random
    this.client = client
    this.onBroken = onBroken
    client.onDeath(() => this.break())
  }

  /** Sends to the server. */
  up(run: () => void): void {
    if (!this.open || this.blocked) return
    const deliver = (): void => {
      if (this.pendingUp.delete(deliver)) run()
    }
    this.pendingUp.add(deliver)
    this.send('up', null, deliver)
  }

  /** Sends to the client. */
  down(run: () => void): void {
    if (this.open) this.send('down', this.client, () => this.open && run())
  }

  /** Nothing passes, and neither side is told, as with a host that has vanished. */
  block(): void {
    this.blocked = true
  }

  /** Closes from the client's side: what was sent before still arrives. */
  end(): void {
    if (!this.open) return
    this.send('up', null, () => this.onBroken.server())
    this.open = false
  }

  /** Breaks it: of what is on its way to the server some arrives, of what comes from it nothing does. */
  break(): void {
    if (!this.open) return
    this.open = false
    for (const deliver of [...this.pendingUp]) {
      if (this.random.chance(0.5)) break
      deliver()
    }
    this.pendingUp.clear()
    this.onBroken.server()
    this.scheduler.after(this.latency(), () => this.onBroken.client(), this.client)
  }

  private send(way: 'up' | 'down', to: End, run: () => void): void {
    if (this.blocked) return
    const at = Math.max(this.scheduler.now + this.latency(), this.lastAt[way] + 1e-6)
    this.lastAt[way] = at
    this.scheduler.after(at - this.scheduler.now, run, to)
  }

  private latency(): number {
    const [min, max] = this.random.chance(SLOW_SHARE) ? SLOW_MS : LATENCY_MS
    return this.random.between(min, max)
  }
}
