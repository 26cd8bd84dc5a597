import { DEFAULT_TENANT } from './auth.mjs'
import type { Client, Message } from './client.js'
import { customEvent, type EventSpec, type Publication } from './publish.js'

/** Event number `n`, for everybody of the tenant in which the stand-in mints, unless `spec` says otherwise. */
export function numbered(n: number, spec: Partial<EventSpec> = {}): Publication {
  const common = { name: 'numbered', tenant: DEFAULT_TENANT, everyone: true, requiredAcl: null }
  return customEvent({ ...common, data: { n }, ...spec })
}

/** The numbers from `first` to `last`. */
export function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i)
}

/** Takes what a client has got: events by number, or by name if they have none; replies as `reply:<op>`. */
export function taken(client: Client): (number | string)[] {
  return client.take().map((text) => brief(JSON.parse(text) as Message))
}

function brief(message: Message): number | string {
  const { op } = message
  if (op !== undefined && op !== 'event') return `reply:${op as string}`
  // Version 1 sends the bare event.
  const event = (op === 'event' ? message['data'] : message) as { name: string; data: { n?: number } }
  return event.data.n ?? event.name
}
