/** The command `explain`. */
import { readFileSync } from 'node:fs'
import type { BusEvent } from '@wazo-websocketd/shared/domain/event'
import {
  identify,
  parseTokenId,
  type Identity,
  type TokenDetails,
} from '@wazo-websocketd/shared/domain/identity'
import { Metrics } from '@wazo-websocketd/shared/runtime/metrics'
import { systemClock } from '@wazo-websocketd/shared/runtime/clock'
import { describeSystemError } from '@wazo-websocketd/shared/runtime/system-error'
import { messageOf } from '@wazo-websocketd/shared/runtime/startup-error'
import { hashToken } from '@wazo-websocketd/shared/runtime/token-hash'
import { routeMetrics } from '../../route/metrics.js'
import { Router } from '../../route/router.js'
import { SubscriptionIndex } from '../../route/subscription-index.js'
import { AdminError, ask } from '../admin-client.js'
import type { ExplainOrder, TokenArgument } from '../command-line.js'
import type { ToolContext } from '../context.js'
import { askEdge, askIngest } from '../programs.js'
import { CommandError, type Result } from '../result.js'
import { isSessionsAnswer, type SessionAnswer } from '../shapes.js'
import { readEventFile } from './event-file.js'
import { explain } from './explanation.js'
import { lastEvents } from './log-events.js'
import { eventLines, sessionsLines, type ExplainedEvent } from './explanation-text.js'
import { summarise, tokenLines } from './token-text.js'

const ASK_MS_MAX = 5_000
const SESSIONS_MAX = 100
const NAMES_MAX = 10_000

/** Status 1 when wazo-auth does not know the token, or nothing can be asked. */
export async function runExplain(context: ToolContext, options: ExplainOrder): Promise<Result> {
  const { config } = context.reading
  const details = await lookUp(context, readToken(options.token))
  const identity = identify(details, await masterTenant(context))
  const sessions = await sessionsOf(context, details.token)
  const explained = await explainAll(context, options, identity, typeof sessions === 'string' ? [] : sessions)
  const summary = summarise(details, identity, context.auth().clock.now())
  return {
    status: 0,
    lines: [
      ...tokenLines(summary),
      ...sessionsLines(sessions, identity),
      ...explained.flatMap(eventLines),
      ...(explained.length === 0 ? [noEvents(options.event, config.redis.history)] : []),
    ],
    json: { token: summary, sessions, events: explained.map(asJson) },
  }
}

/** Without the body, which is nobody's business here. */
function asJson({ event, dropped, explanations }: ExplainedEvent): object {
  if (event === null) return { event, dropped, explanations }
  const { name, tenant, everyone, users, requiredAcl, offset, receivedAt } = event
  return { event: { name, tenant, everyone, users, requiredAcl, offset, receivedAt }, dropped, explanations }
}

function noEvents(name: string | null, historySeconds: number): string {
  const what = name === null ? 'no event' : `no event called ${name}`
  return `there is ${what} in the log, which reaches back ${historySeconds} s (redis.history): have it published and ask again, or give a file`
}

/** @throws CommandError that names the file; the token is in no message. */
function readToken(source: TokenArgument): string {
  if (source.from === 'argument') return source.token
  try {
    return readFileSync(source.file === '-' ? 0 : source.file, 'utf8').trim()
  } catch (error) {
    throw new CommandError(`cannot read the token from ${source.file}: ${describeSystemError(error)}`)
  }
}

async function lookUp(context: ToolContext, text: string): Promise<TokenDetails> {
  const token = parseTokenId(text)
  if (token === null)
    throw new CommandError(
      'this is no token: 1 to 128 of A-Z, a-z, 0-9, ".", "_" and "-". Its client gets 4002',
    )
  const auth = context.auth()
  const since = systemClock.monotonic()
  const deadline = since + context.reading.config.limits.auth_total_seconds * 1000
  const verdict = await auth.client.lookup({ token, since, deadline, wanted: true })
  switch (verdict.kind) {
    case 'valid':
      return verdict.details
    case 'invalid':
      throw new CommandError(
        'wazo-auth says no: the token is unknown, has expired, was deleted, or its ACL lacks websocketd. Its client gets 4002, or 4003 in a session',
      )
    case 'oversized':
      throw new CommandError(`the token is refused: ${verdict.limit} (limits.acl_*). Its client gets 1008`)
    case 'unavailable':
      throw new CommandError(
        `wazo-auth at ${auth.url} does not answer about tokens: run wazo-websocketd-ctl doctor`,
      )
  }
}

/** As the workers of this host know it, or as wazo-auth tells it again. */
async function masterTenant(context: ToolContext): Promise<string> {
  const answer = await askEdge(context.edge)
  const known =
    typeof answer === 'string'
      ? null
      : answer.workers.map(({ status }) => status?.masterTenant ?? null).find(Boolean)
  if (known != null) return known
  const auth = context.auth()
  const created = auth.credentials === null ? null : await auth.client.createToken(auth.credentials)
  if (created?.kind === 'created') return created.token.tenantUuid
  throw new CommandError(
    'the master tenant is not known: no edge answers here, and wazo-auth gives no service token; run wazo-websocketd-ctl doctor',
  )
}

/** A text says why they are not known. */
async function sessionsOf({ edge }: ToolContext, token: string): Promise<readonly SessionAnswer[] | string> {
  const query = `tokenHash=${hashToken(token)}&limit=${SESSIONS_MAX}&names=${NAMES_MAX}`
  try {
    const answer = await ask(edge, `/admin/sessions?${query}`, ASK_MS_MAX)
    return isSessionsAnswer(answer) ? answer.sessions : 'the edge is of another release than this tool'
  } catch (error) {
    if (error instanceof AdminError) return error.message
    throw error
  }
}

async function explainAll(
  context: ToolContext,
  { event, last }: ExplainOrder,
  identity: Identity,
  sessions: readonly SessionAnswer[],
): Promise<readonly ExplainedEvent[]> {
  const { config } = context.reading
  const ingest = await askIngest(context.ingest)
  // The environment of the ingest is not this shell's.
  const origin = typeof ingest === 'string' ? config.uuid : ingest.uuid
  const options = {
    router: makeRouter(config.bus.access_scope),
    accessScope: config.bus.access_scope,
    origin,
  }
  const subjects =
    sessions.length === 0
      ? [{ identity, subscriptions: null, started: true }]
      : distinct(sessions).map(({ subscriptions, started }) => ({
          identity,
          subscriptions: new Set(subscriptions),
          started,
        }))
  const explainOne = (each: BusEvent): ExplainedEvent => ({
    event: each,
    dropped: null,
    explanations: subjects.map((subject) => explain(subject, each, options)),
  })
  const text = event === null ? null : fileText(event)
  if (text !== null) {
    const read = readEventFile(text, { origin, bodyBytesMax: config.limits.event_body_bytes })
    if (read.kind === 'dropped') return [{ event: null, dropped: read.why, explanations: [] }]
    return [explainOne(read.event)]
  }
  return (await eventsOfLog(context, event, last)).map(explainOne)
}

async function eventsOfLog(context: ToolContext, name: string | null, count: number): Promise<BusEvent[]> {
  const { prefix, partitions } = context.reading.config.redis
  try {
    const { client } = await context.redis()
    const numbers = Array.from({ length: partitions }, (_, partition) => partition)
    return await lastEvents(client, { prefix, partitions: numbers, name, count })
  } catch (error) {
    throw new CommandError(`the log of events cannot be read: ${messageOf(error)}`)
  }
}

/** Sessions with the same subscriptions get the same events, once they have started. */
function distinct(sessions: readonly SessionAnswer[]): readonly SessionAnswer[] {
  const keyOf = ({ subscriptions, started }: SessionAnswer): string =>
    JSON.stringify([started, ...[...subscriptions].sort()])
  return [...new Map(sessions.map((session) => [keyOf(session), session])).values()]
}

/** null: `event` is the name of events. */
function fileText(event: string): string | null {
  const isPath = event.includes('/') || event.endsWith('.json')
  try {
    return readFileSync(event, 'utf8')
  } catch (error) {
    if (isPath) throw new CommandError(`cannot read the event from ${event}: ${describeSystemError(error)}`)
    return null
  }
}

function makeRouter(accessScope: 'tenant' | 'acl'): Router {
  return new Router({
    index: new SubscriptionIndex(),
    accessScope,
    metrics: routeMetrics(new Metrics({ defaults: false })),
  })
}
