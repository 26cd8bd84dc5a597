/** What is said to the process that publishes on the bus, and what it answers. */
import type { EventKind } from './event.js'
import type { Pace } from './pace.js'

export interface ToSender {
  /** Of the virtual host. */
  readonly amqpUrl: string
  readonly exchange: string
  readonly kind: EventKind
  readonly pace: Pace
}

export interface Sent {
  /** Of a core. */
  readonly cpuShare: number
  /** How late the events were, in milliseconds: the 99th percentile. */
  readonly lateMs: number
}
