import type { Subscriptions } from '../route/recipient.js'
import { limitExceeded, type Close } from '@wazo-websocketd/shared/domain/close'
import type { ClientMessage, ProtocolVersion, ServerMessage } from '@wazo-websocketd/shared/domain/protocol'

/** What a client may ask of one session. */
export interface SessionLimits {
  readonly subscriptionsPerSession: number
  readonly eventNameBytes: number
  readonly opsPerSecond: number
  readonly opsBurst: number
}

/** What a command's outcome depends on. */
export interface CommandState {
  readonly version: ProtocolVersion
  readonly started: boolean
  readonly subscriptions: Subscriptions
  readonly limits: SessionLimits
}

/** What a command comes to. `reply: null` means that the client is told nothing. */
export type Outcome =
  | { readonly kind: 'reply'; readonly reply: ServerMessage | null }
  | { readonly kind: 'subscribe'; readonly name: string; readonly reply: ServerMessage | null }
  | { readonly kind: 'start' }
  | { readonly kind: 'renew'; readonly token: string }
  | { readonly kind: 'refuse'; readonly close: Close }

const encoder = new TextEncoder()

/** Judges one op by contract, section 3: what has to be done and what the client is told. */
export function command(message: ClientMessage, state: CommandState): Outcome {
  switch (message.op) {
    case 'ping':
      return { kind: 'reply', reply: { op: 'pong', payload: message.payload } }
    case 'subscribe':
      return subscribe(message.eventName, state)
    case 'start':
      if (!state.started) return { kind: 'start' }
      return { kind: 'reply', reply: spoken({ op: 'start' }, state) }
    case 'token':
      return { kind: 'renew', token: message.token }
  }
}

/** Version 1 falls silent at `start`: from then on the client hears events and pongs only. */
export function spoken(reply: ServerMessage, state: CommandState): ServerMessage | null {
  return state.version === 1 && state.started ? null : reply
}

function subscribe(name: string, state: CommandState): Outcome {
  const reply = spoken({ op: 'subscribe' }, state)
  if (state.subscriptions.has(name)) return { kind: 'reply', reply }
  const { eventNameBytes, subscriptionsPerSession } = state.limits
  // A name of n UTF-16 units has between n and 3n bytes; counting them is only worth it in between.
  if (name.length * 3 > eventNameBytes && encoder.encode(name).length > eventNameBytes)
    return { kind: 'refuse', close: limitExceeded(`event name longer than ${eventNameBytes} bytes`) }
  if (state.subscriptions.size >= subscriptionsPerSession)
    return {
      kind: 'refuse',
      close: limitExceeded(`more than ${subscriptionsPerSession} subscriptions per session`),
    }
  return { kind: 'subscribe', name, reply }
}
