import { randomUUID } from 'node:crypto'
import type { GivenEvent } from './given-events.js'
import { createStory, type Publication } from './templates.js'

export interface SupplyOptions {
  /** Recorded events by name, or given ones; they come in turn. */
  readonly events: readonly (string | GivenEvent)[]
  /** What this Wazo calls the exchanges that recorded events name. */
  readonly exchanges: ReadonlyMap<string, string>
  /** The uuid of this Wazo; null: that of the event. */
  readonly origin: string | null
  /** null: that of the event; of a recorded one, nobody's. */
  readonly tenant: string | null
  /** As `tenant`. */
  readonly user: string | null
  /** Instead of the `required_acl` of the event; null: whoever may see it otherwise. undefined: that of the event. */
  readonly acl: string | null | undefined
  /** Unix time in milliseconds. */
  readonly now: () => number
}

const EXCHANGE = 'wazo-headers'

/** Makes one event after the other, with the present time. */
export class Supply {
  /** Whose events the recorded ones become. */
  readonly tenant: string
  readonly user: string
  private readonly options: SupplyOptions
  private made = 0

  constructor(options: SupplyOptions) {
    this.options = options
    this.tenant = options.tenant ?? randomUUID()
    this.user = options.user ?? randomUUID()
  }

  next(): Publication {
    const { events, acl, origin, exchanges } = this.options
    const event = events[this.made++ % events.length]
    if (event === undefined) throw new RangeError('there are no events')
    const overrides: Record<string, unknown> = {
      ...(acl === undefined ? {} : { required_acl: acl }),
      ...(origin === null ? {} : { origin_uuid: origin }),
    }
    const made =
      typeof event === 'string' ? replaced(this.recorded(event), overrides) : this.given(event, overrides)
    return { ...made, exchange: exchanges.get(made.exchange) ?? made.exchange }
  }

  private recorded(name: string): Publication {
    const { origin, now } = this.options
    const at = now()
    const event = createStory({
      origin: origin ?? randomUUID(),
      tenant: { uuid: this.tenant, name: 'Acme' },
      user: { uuid: this.user, name: 'Alice Martin', number: '1001', id: 1001 },
      peer: { uuid: randomUUID(), name: 'Bob Tremblay', number: '1002', id: 1002 },
      at,
    })
    return event(name, { now: at })
  }

  private given(
    { exchange, routingKey, headers, body }: GivenEvent,
    overrides: Record<string, unknown>,
  ): Publication {
    const { tenant, user, now } = this.options
    overrides['timestamp'] = new Date(now()).toISOString().replace('Z', '000')
    if (tenant !== null) overrides['tenant_uuid'] = tenant
    if (user !== null) overrides[`user_uuid:${user}`] = true
    const kept = (keys: Readonly<Record<string, unknown>>): Record<string, unknown> =>
      Object.fromEntries(
        Object.entries(keys).filter(([key]) => user === null || !key.startsWith('user_uuid:')),
      )
    const text = JSON.stringify(kept(body))
    return replaced(
      { exchange: exchange ?? EXCHANGE, routingKey, headers: kept(headers), body: text },
      overrides,
    )
  }
}

/** The event with other keys, in headers and body alike. */
function replaced(event: Publication, overrides: Readonly<Record<string, unknown>>): Publication {
  if (Object.keys(overrides).length === 0) return event
  const body = JSON.parse(event.body) as Record<string, unknown>
  return {
    ...event,
    headers: { ...event.headers, ...overrides },
    body: JSON.stringify({ ...body, ...overrides }),
  }
}
