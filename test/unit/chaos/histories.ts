/** Histories of imaginary runs, in which everything is as it should be. */
import type { History, LoggedBatch, Published, Session, Token } from '../../support/checker/history.js'

export const MASTER = 'master-tenant'
/** Between two events; in milliseconds, as all times. */
export const BEAT = 10
const BROKER_MS = 1
const PATH_MS = 3
const START_AT = 100

/** Mutable, so that a test can spoil it. */
export type Draft = { -readonly [K in keyof History]: Mutable<History[K]> }
type Mutable<T> = T extends readonly (infer Item)[] ? Item[] : T
export type SessionDraft = { -readonly [K in keyof Session]: Mutable<Session[K]> }

export function token(session: string, tenant: string, life: Partial<Token> = {}): Token {
  return {
    session_uuid: session,
    acl: ['websocketd', 'event.#'],
    metadata: { uuid: `user-of-${session}`, tenant_uuid: tenant, purpose: 'user', admin: false },
    expiresAt: Infinity,
    deletedAt: null,
    ...life,
  }
}

/** When event `id` was sent. */
export function sentAt(id: number): number {
  return START_AT + 20 + id * BEAT
}

/** `events` events for tenants a and b in turn, and a session of each tenant that got all of its own. */
export function soundHistory(events: number): Draft {
  const published: Published[] = Array.from({ length: events }, (_, id) => ({
    id,
    shape: id % 2,
    sentAt: sentAt(id),
    confirmedAt: sentAt(id) + BROKER_MS,
  }))
  const shape = (tenant: string) => ({
    name: 'foo',
    tenant,
    users: [],
    everyone: true,
    requiredAcl: 'event.foo',
  })
  return {
    masterTenant: MASTER,
    deliveryMsMax: 10_000,
    shapes: [shape('a'), shape('b')],
    published,
    stream: published.map(({ id, sentAt: at }) => ({ id, offset: 1000 + id, seenAt: at + BROKER_MS })),
    tokens: [token('sa', 'a'), token('sb', 'b')],
    sessions: [
      session(
        'A',
        'sa',
        published.filter(({ shape }) => shape === 0),
      ),
      session(
        'B',
        'sb',
        published.filter(({ shape }) => shape === 1),
      ),
    ],
    faults: [],
    batches: published.map(({ id }) => batch(id)),
    heads: published.map(({ id, sentAt: at }) => ({ at, life: 'r1', epoch: 'e1', head: 1000 + id })),
    holdings: [{ what: 'connections', value: 0, max: 0 }],
    endedAt: sentAt(events) + 60_000,
  }
}

export function session(name: string, holder: string, events: readonly Published[]): SessionDraft {
  return {
    name,
    host: 0,
    token: holder,
    connectedAt: 90,
    startAskedAt: START_AT - 5,
    phases: [{ from: 0, token: holder, subscriptions: ['foo'], askedAt: START_AT - 5, answeredAt: START_AT }],
    ids: events.map(({ id }) => id),
    times: events.map(({ sentAt: at }) => at + PATH_MS),
    end: null,
  }
}

export function batch(id: number, events: LoggedBatch['events'] = [[1000 + id, id]]): LoggedBatch {
  return { epoch: 'e1', life: 'r1', prev: 999 + id, last: 1000 + id, events }
}
