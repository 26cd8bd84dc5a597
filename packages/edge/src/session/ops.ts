/** The ops of a client: one function each, which changes the session's core and yields effects for the rest. */
import { AUTHENTICATION_FAILED, limitExceeded, type Close } from '@wazo-websocketd/shared/domain/close'
import { parseTokenId } from '@wazo-websocketd/shared/domain/identity'
import type { ClientMessage, ProtocolVersion, ServerMessage } from '@wazo-websocketd/shared/domain/protocol'
import type { Effect } from './effects.js'
import type { CountedOp } from './metrics.js'
import type { SubscriptionSet } from './subscriptions.js'

/** What a client may ask of one session. */
export interface SessionLimits {
  readonly subscriptionsPerSession: number
  readonly eventNameBytes: number
  readonly opsPerSecond: number
  readonly opsBurst: number
}

/** What the effects of an op depend on. */
export interface OpContext {
  readonly version: ProtocolVersion
  readonly started: boolean
  readonly subscriptions: SubscriptionSet
  readonly limits: SessionLimits
}

const encoder = new TextEncoder()
const START: Effect = { kind: 'start' }
const STARTED: Effect = { kind: 'started' }

/** Carries out one op (C3.3 to C3.8). */
export function runOp(message: ClientMessage, session: OpContext): readonly Effect[] {
  switch (message.op) {
    case 'ping':
      return done('ping', { kind: 'send', message: { op: 'pong', payload: message.payload } })
    case 'subscribe':
      return subscribe(message.eventName, session)
    case 'start':
      return done('start', ...(session.started ? whereAnswered(STARTED, session) : [START]))
    case 'token':
      return renew(message.token)
  }
}

/** Refuses an op, which ends the session. */
export function refuse(op: CountedOp, close: Close): readonly Effect[] {
  return [
    { kind: 'op', op, result: 'refused' },
    { kind: 'close', close },
  ]
}

/** Version 1 falls silent at `start` (C3.4, C3.5, C3.8): from then on the client hears events and pongs only. */
export function reply(message: ServerMessage, session: OpContext): readonly Effect[] {
  return whereAnswered({ kind: 'send', message }, session)
}

function whereAnswered(answer: Effect, { version, started }: OpContext): readonly Effect[] {
  return version === 1 && started ? [] : [answer]
}

function done(op: CountedOp, ...effects: readonly Effect[]): readonly Effect[] {
  return [...effects, { kind: 'op', op, result: 'ok' }]
}

function subscribe(name: string, session: OpContext): readonly Effect[] {
  const { subscriptions } = session
  const answer = reply({ op: 'subscribe' }, session)
  if (subscriptions.has(name)) return done('subscribe', ...answer)
  const { eventNameBytes, subscriptionsPerSession } = session.limits
  // A name of n UTF-16 units has between n and 3n bytes; counting them is only worth it in between.
  if (name.length * 3 > eventNameBytes && encoder.encode(name).length > eventNameBytes)
    return refuse('subscribe', limitExceeded(`event name longer than ${eventNameBytes} bytes`))
  if (subscriptions.size >= subscriptionsPerSession)
    return refuse(
      'subscribe',
      limitExceeded(`more than ${subscriptionsPerSession} subscriptions per session`),
    )
  subscriptions.add(name)
  return done('subscribe', { kind: 'subscription', name, change: 1 }, ...answer)
}

function renew(raw: string): readonly Effect[] {
  const token = parseTokenId(raw)
  return token === null ? refuse('token', AUTHENTICATION_FAILED) : done('token', { kind: 'renew', token })
}
