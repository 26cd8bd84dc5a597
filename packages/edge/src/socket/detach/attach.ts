import type { ServerOptions } from 'ws'
import { PeerWebSocket, WsAdapter, type AdapterContext } from '../adapter.js'
import { canOpen, openOver, streamOver, type TcpHandle } from './ws-internals.js'

/** A connection that another process detached. */
export interface DetachedConnection {
  readonly handle: TcpHandle
  /** What that process had read and not parsed. */
  readonly head: Uint8Array
}

/**
 * Goes on with a connection as if it had been upgraded here: the same limits, a heartbeat that starts anew. The
 * caller listens to the adapter in the same tick; frames in `head` are reported after it. A client that has gone
 * meanwhile is noticed like any other.
 * @param options those of the `WebSocketServer` that upgrades this process's connections
 */
export function attach(
  { handle, head }: DetachedConnection,
  options: ServerOptions,
  context: AdapterContext,
): WsAdapter {
  const stream = streamOver(handle)
  const ws = peerWebSocket(options)
  openOver(ws, stream, head, options)
  return new WsAdapter(ws, stream, context)
}

/** Whether `attach` works in this process, which may have another version of `ws` than the one that detaches. */
export function canAttach(options: ServerOptions): boolean {
  return canOpen(() => peerWebSocket(options), options)
}

/** Makes a socket as `ws` makes those of its server; its types know the first argument only. */
function peerWebSocket(options: ServerOptions): PeerWebSocket {
  const Peer = PeerWebSocket as unknown as new (
    address: null,
    protocols: undefined,
    options: object,
  ) => PeerWebSocket
  return new Peer(null, undefined, options)
}
