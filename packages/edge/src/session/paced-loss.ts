import { BUS_CONNECTION_LOST } from '@wazo-websocketd/shared/domain/close'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import type { Connection } from './connection.js'

/** A mass 1011 is spread over this time, so that the clients do not all come back at once. */
const SPREAD_MS = 1_000
const STEP_MS = 50

/** Ends sessions whose continuity is lost, a few at a time. */
export class PacedLoss {
  private readonly clock: Clock

  constructor(clock: Clock) {
    this.clock = clock
  }

  add(connections: readonly Connection[]): void {
    const perStep = Math.ceil(connections.length / (SPREAD_MS / STEP_MS))
    const step = (from: number) => {
      for (const connection of connections.slice(from, from + perStep)) connection.end(BUS_CONNECTION_LOST)
      const next = from + perStep
      if (next < connections.length) this.clock.after(STEP_MS, () => step(next))
    }
    step(0)
  }
}
