import type { BusEvent } from '@wazo-websocketd/shared/domain/event'
import type { Identity } from '@wazo-websocketd/shared/domain/identity'
import type { IndexEntry } from './index-entry.js'

/** The event names that a session is subscribed to, `*` among them when it wants everything. */
export interface Subscriptions extends Iterable<string> {
  readonly size: number
  has(name: string): boolean
}

/** What routing needs of a started session that is up to date with the worker's cursor. */
export interface Recipient {
  /** Replaced as a whole when the session's token is renewed (`SubscriptionIndex.identityReplaced`). */
  readonly identity: Identity
  readonly subscriptions: Subscriptions
  /** Written by the index alone; null: not indexed. */
  entry: IndexEntry | null
  /** Hands over one event that the session may see and asked for. Must not throw. */
  deliver(event: BusEvent): void
}
