import type { Identity } from '@wazo-websocketd/shared/domain/identity'
import { hashTag, hashToken } from '@wazo-websocketd/shared/runtime/token-hash'
import type { SessionFilter } from './question.js'

/** What is told of a session; `Connection` is one. */
export interface ListedSession {
  readonly token: string
  /** null: wazo-auth has not answered yet. */
  readonly owner: Identity | null
  readonly address: string
  readonly version: number
  readonly openedAt: number
  readonly started: boolean
  readonly events: number
  readonly ending: boolean
  readonly subscriptions: Iterable<string> & { readonly size: number }
  readonly feed: { readonly behind: number }
  readonly socket: { readonly bufferedBytes: number; readonly lastPongAt: number | null }
}

/** Whether an operator means this session. The cheap questions come first: a hash costs a microsecond. */
export function matches(session: ListedSession, { user, tenant, tokenHash, slow }: SessionFilter): boolean {
  const { owner, socket, feed } = session
  if (user !== undefined && owner?.userUuid !== user) return false
  if (tenant !== undefined && owner?.tenantUuid !== tenant) return false
  if (slow && socket.bufferedBytes === 0 && feed.behind === 0) return false
  return tokenHash === undefined || hashToken(session.token).startsWith(tokenHash)
}

export interface RowOptions {
  readonly slot: number
  /** Subscriptions named. */
  readonly namesMax: number
  /** Monotonic milliseconds. */
  readonly now: number
}

/** One session as JSON text; no token in it, but the tag that logs have. */
export function sessionRow(session: ListedSession, { slot, namesMax, now }: RowOptions): string {
  const { owner, address, version, openedAt, started, events, ending, subscriptions, feed, socket } = session
  const { bufferedBytes, lastPongAt } = socket
  const names: string[] = []
  for (const name of subscriptions) {
    if (names.length >= namesMax) break
    names.push(name)
  }
  return JSON.stringify({
    worker: slot,
    token: hashTag(hashToken(session.token)),
    user: owner?.userUuid ?? null,
    tenant: owner?.tenantUuid ?? null,
    admin: owner?.admin ?? null,
    master: owner?.master ?? null,
    address,
    version,
    since: new Date(openedAt).toISOString(),
    started,
    closing: ending,
    subscriptions: names,
    subscriptionCount: subscriptions.size,
    sentEvents: events,
    bufferedBytes,
    behind: feed.behind,
    lastPongSeconds: lastPongAt === null ? null : Math.round((now - lastPongAt) / 100) / 10,
  })
}
