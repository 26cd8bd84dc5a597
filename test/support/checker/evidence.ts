import type { History, Published, Session, Token } from './history.js'
import { predecessorsOf } from './resumption.js'
import { Rights } from './rights.js'
import { Timeline } from './timeline.js'

/** An event of the bus with its place there. */
export interface Placed extends Published {
  readonly position: number
  readonly partition: number
  readonly dueAt: number
}

/** A history, arranged for looking things up. */
export class Evidence {
  readonly history: History
  readonly timeline: Timeline
  readonly rights: Rights
  readonly tokens: ReadonlyMap<string, Token>
  /** The events of the bus, in its order. */
  readonly events: readonly Placed[]
  /** Everything that was sent, on the bus or not. */
  readonly published: ReadonlyMap<number, Published>
  /** The event that revoked a session_uuid. */
  readonly revocations: ReadonlyMap<string, Placed>
  /** The session that ended where this one went on. */
  readonly predecessors: ReadonlyMap<Session, Session>
  private readonly places = new Map<number, Placed>()

  constructor(history: History) {
    this.history = history
    this.timeline = new Timeline(history.faults, history.deliveryMsMax)
    this.tokens = new Map(history.tokens.map((token) => [token.session_uuid, token]))
    this.rights = new Rights(history.shapes, history.masterTenant, this.tokens)
    this.published = new Map(history.published.map((event) => [event.id, event]))
    this.predecessors = predecessorsOf(history.sessions, this.timeline)
    this.events = this.place()
    const revocations = new Map<string, Placed>()
    for (const event of this.events)
      if (event.revokes !== undefined && !revocations.has(event.revokes))
        revocations.set(event.revokes, event)
    this.revocations = revocations
  }

  /** An event's place on the bus; undefined when the bus never had it. */
  at(id: number): Placed | undefined {
    return this.places.get(id)
  }

  private place(): Placed[] {
    const events: Placed[] = []
    for (const { id, seenAt } of this.history.stream) {
      const event = this.published.get(id)
      if (event === undefined || this.places.has(id)) continue
      const dueAt = this.timeline.due(event.confirmedAt ?? seenAt)
      const { partition = 0 } = this.history.shapes[event.shape]!
      const placed = { ...event, position: events.length, partition, dueAt }
      this.places.set(id, placed)
      events.push(placed)
    }
    return events
  }
}
