import type { WsAdapter } from '../adapter.js'
import { findObstacle, suspend, type TcpHandle } from './ws-internals.js'
import { refusedBy, type DetachRefusal } from './obstacle.js'

/**
 * A connection on its way to another process. Exactly one of `moved` and `restore` has to be called, else the handle
 * leaks. Until then nothing is read from the client, and what this process writes (events, a close frame) waits:
 * `restore` sends it, `moved` drops it. So the session may go on; what it does meanwhile counts only if the connection
 * comes back.
 */
export interface Detached {
  /** To be sent to the other process; a second reference to the same connection arises there. */
  readonly handle: TcpHandle
  /** What was read from the client and not parsed yet; begins with the first byte of a frame. */
  readonly head: Uint8Array
  /** The other process has it: closes this one's reference without reporting an end. */
  readonly moved: () => void
  /** No other process has taken or touched it: it works on as if nothing had happened. */
  readonly restore: () => void
}

/**
 * Takes a connection out of this process between two frames and two messages of the client, and with nothing
 * left to write. To be called from a task of its own, not from within the connection's own events. A refused
 * connection is as it was.
 */
export function detach(adapter: WsAdapter): Detached | DetachRefusal {
  const { ws, stream } = adapter.transport
  const obstacle = findObstacle(ws, stream)
  if (obstacle !== null) return refusedBy(obstacle)
  const { handle, head, restore, abandon } = suspend(stream)
  adapter.suspended()
  return {
    handle,
    head,
    moved() {
      adapter.handedOver()
      abandon()
    },
    restore() {
      adapter.restored()
      restore()
    },
  }
}
