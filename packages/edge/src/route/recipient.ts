import type { BusEvent } from '@wazo-websocketd/shared/domain/event'
import type { Identity } from '@wazo-websocketd/shared/domain/identity'

/** What routing needs of a started session that is up to date with the worker's cursor. */
export interface Recipient {
  /** Replaced as a whole when the session's token is renewed (`Registry.identified`). */
  readonly identity: Identity
  /** Event names, `*` among them when the session wants everything. */
  readonly subscriptions: ReadonlySet<string>
  /** Hands over one event that the session may see and asked for. Must not throw. */
  deliver(event: BusEvent): void
}
