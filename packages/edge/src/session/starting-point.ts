import type { Positions } from '@wazo-websocketd/shared/domain/position'
import type { Bus } from '../bus/ports.js'
import type { Redemption } from '../drain/redemption.js'
import type { ResumptionDecision, ResumptionRequest } from './resumption.js'

/** Finds where a session begins: where its client asks to go on, or where an earlier session of its token has ended. */
export class StartingPoint {
  /** null once the session has its place, unless that is an earlier session's. */
  private redemption: Redemption | null
  /** What the client asks to go on from; null: it carries no positions, or goes on already. */
  private request: ResumptionRequest | null
  /** What became of the request. */
  private decision: ResumptionDecision | null = null

  constructor(redemption: Redemption | null, request: ResumptionRequest | null) {
    this.redemption = redemption
    this.request = request
  }

  /** Whether the client is told that it goes on from there: then nothing else will do. */
  get isPromised(): boolean {
    return this.request !== null
  }

  /** The session goes on where another worker has served it up to: what its client asks for has been answered there. */
  takenOver(): void {
    this.request = null
  }

  /**
   * Calls `found` with the positions to go on from; null: from the worker's cursor on. Not called once `isWanted` is false.
   * A ticket is taken also where it is not needed: no other session is to find it.
   */
  find(
    bus: Bus,
    partitions: readonly number[],
    isWanted: () => boolean,
    found: (from: Positions | null) => void,
  ): void {
    this.redeem((ticket) => {
      if (!isWanted()) return
      if (this.request === null) found(ticket)
      else
        this.request.decide(bus, partitions, ticket, (decision) => {
          if (!isWanted()) return
          this.decision = decision
          found(decision.from)
        })
    })
  }

  /** What became of the request, once; null: there was none, or it has been told. */
  takeDecision(): ResumptionDecision | null {
    const { decision } = this
    this.decision = null
    return decision
  }

  /** The session has its place. @param isResumed whether that is an earlier session's */
  settled(isResumed: boolean): void {
    this.redemption?.settled()
    if (!isResumed) this.redemption = null
  }

  /** The positions of a ticket mean nothing any more. */
  outdated(): void {
    this.redemption?.outdated()
  }

  /** The session ends. */
  abandon(): void {
    this.redemption?.abandon()
  }

  private redeem(found: (positions: Positions | null) => void): void {
    if (this.redemption === null) found(null)
    else this.redemption.redeem(found)
  }
}
