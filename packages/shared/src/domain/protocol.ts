/** The messages of the WebSocket protocol, both directions (contract, section 3; PROTOCOL.md). */

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

export type ServerMessage =
  | { readonly op: 'init'; readonly version: ProtocolVersion }
  | { readonly op: 'subscribe' }
  | { readonly op: 'start' }
  | { readonly op: 'pong'; readonly payload: string }
  | { readonly op: 'token' }
