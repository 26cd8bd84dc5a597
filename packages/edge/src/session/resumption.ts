import type { NotResumed } from '@wazo-websocketd/shared/domain/protocol'
import type { Position, Positions } from '@wazo-websocketd/shared/domain/position'
import type { Bus } from '../bus/ports.js'
import { parsePositionId } from './position-id.js'

/** What a session's start has come to: it goes on from these positions, or from where the bus is, and why. */
export type ResumptionDecision =
  { readonly from: Positions; readonly why: null } | { readonly from: null; readonly why: NotResumed }

/** Decides, at the start of a session with positions, whether it can go on from the one that its client presents. */
export class ResumptionRequest {
  /** As the client wrote it; empty: none. */
  readonly presented: string

  constructor(presented: string) {
    this.presented = presented
  }

  /**
   * Calls `decided` once the bus has answered for each of the partitions. A ticket counts only where no position is
   * presented (C7.10).
   */
  decide(
    bus: Pick<Bus, 'reach'>,
    partitions: readonly number[],
    ticket: Positions | null,
    decided: (decision: ResumptionDecision) => void,
  ): void {
    if (this.presented === '' && ticket === null) {
      decided({ from: null, why: 'none' })
      return
    }
    const positions = this.presented === '' ? ticket : parsePositionId(this.presented)
    if (positions === null || !partitions.every((partition) => positions.has(partition))) {
      decided({ from: null, why: 'unknown' })
      return
    }
    const own = partitions.map((partition) => [partition, positions.get(partition) as Position] as const)
    void Promise.all(own.map(([partition, position]) => bus.reach(partition, position))).then((reaches) => {
      const why = reaches.find((reach) => reach !== 'reached')
      decided(why === undefined ? { from: new Map(own), why: null } : { from: null, why })
    })
  }
}
