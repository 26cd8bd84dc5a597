/** The messages of the WebSocket protocol, both directions, and their text frames (PROTOCOL.md). Pure, linear in the length of the text. */
import { isRecord } from './guards.js'
import { memberSource } from './json-source.js'

export type ProtocolVersion = 1 | 2

/** Any JSON value. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/** The name that subscribes to every event. */
export const EVERY_EVENT = '*'

export type ClientMessage =
  | { readonly op: 'subscribe'; readonly eventName: string }
  | { readonly op: 'start' }
  /** The payload as JSON text, exactly as the client wrote it. */
  | { readonly op: 'ping'; readonly payload: string }
  | { readonly op: 'token'; readonly token: string }

/** The ops of clients, by which they are counted. */
export const CLIENT_OPS = [
  'subscribe',
  'start',
  'ping',
  'token',
] as const satisfies readonly ClientMessage['op'][]

export type ServerMessage =
  /** `resumeSeconds`: the session has positions, which reach back so far; null: it has none. */
  | { readonly op: 'init'; readonly version: ProtocolVersion; readonly resumeSeconds: number | null }
  | { readonly op: 'subscribe' }
  /** `resumption`: of a session with positions; null: it has none. */
  | { readonly op: 'start'; readonly resumption: Resumption | null }
  | { readonly op: 'pong'; readonly payload: string }
  | { readonly op: 'token' }

/** Why a session does not go on from a position: `none` was presented. */
export type NotResumed = 'none' | 'too old' | 'other epoch' | 'unknown'

/** Where a session with positions goes on: after the position `id`, which is the one presented when it is resumed. */
export type Resumption =
  | { readonly resumed: true; readonly id: string }
  | { readonly resumed: false; readonly id: string; readonly why: NotResumed }

/** A client's frame, understood, or what is wrong with it in a few words for the close frame (4004). */
export type Parsed = { readonly ok: ClientMessage } | { readonly fault: string }

/** Around the raw body of an event in version 2; version 1 sends the body alone. */
export const EVENT_PREFIX = '{"op":"event","code":0,"data":'
export const EVENT_SUFFIX = '}'

/** What stands before the raw body of an event of version 2 that carries its position. */
export function positionedEventPrefix(id: string): string {
  return `{"op":"event","code":0,"id":${JSON.stringify(id)},"data":`
}

/** Longest part of an unknown op that is quoted back, in characters. */
const QUOTED_OP_CHARACTERS_MAX = 32

type JsonObject = Readonly<Record<string, Json>>

/**
 * Understands one text frame of a client. A `ping` payload is returned as the source text that the client
 * wrote. Limits on lengths are the session's business, not the codec's.
 */
export function parseClientMessage(text: string): Parsed {
  let root: Json
  try {
    root = JSON.parse(text) as Json
  } catch {
    return { fault: 'not JSON' }
  }
  if (!isRecord(root)) return { fault: 'root is not an object' }
  if (!Object.hasOwn(root, 'op')) return { fault: 'op is missing' }
  const op = root['op']
  if (typeof op !== 'string') return { fault: 'op is not a string' }
  switch (op) {
    case 'start':
      return { ok: { op } }
    case 'subscribe':
      return withString(root, op, 'event_name', (eventName) => ({ op, eventName }))
    case 'token':
      return withString(root, op, 'token', (token) => ({ op, token }))
    case 'ping':
      return parsePing(root, text)
    default:
      return { fault: `unknown op: ${op.slice(0, QUOTED_OP_CHARACTERS_MAX)}` }
  }
}

/** The text of a control message: three keys in this order, no white space. */
export function encodeServerMessage(message: ServerMessage): string {
  return `{"op":"${message.op}","code":0,"data":${encodeData(message)}}`
}

function encodeData(message: ServerMessage): string {
  switch (message.op) {
    case 'init':
      return JSON.stringify({
        version: message.version,
        ...(message.resumeSeconds === null ? {} : { resume: { seconds: message.resumeSeconds } }),
      })
    case 'start':
      return JSON.stringify(message.resumption)
    case 'pong':
      return `{"payload":${message.payload}}`
    default:
      return 'null'
  }
}

function parsePing(root: JsonObject, text: string): Parsed {
  const data = dataWith(root, 'ping', 'payload')
  if (typeof data === 'string') return { fault: data }
  const payload = memberSource(text, ['data', 'payload'])
  return payload === null ? { fault: 'ping: data.payload is missing' } : { ok: { op: 'ping', payload } }
}

function withString(
  root: JsonObject,
  op: string,
  argument: string,
  make: (value: string) => ClientMessage,
): Parsed {
  const data = dataWith(root, op, argument)
  if (typeof data === 'string') return { fault: data }
  const value = data[argument]
  return typeof value === 'string'
    ? { ok: make(value) }
    : { fault: `${op}: data.${argument} is not a string` }
}

/** The `data` object, known to have `argument`; or the fault. */
function dataWith(root: JsonObject, op: string, argument: string): JsonObject | string {
  if (!Object.hasOwn(root, 'data')) return `${op}: data is missing`
  const data = root['data']
  if (!isRecord(data)) return `${op}: data is not an object`
  return Object.hasOwn(data, argument) ? data : `${op}: data.${argument} is missing`
}
