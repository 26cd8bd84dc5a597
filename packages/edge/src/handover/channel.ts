import type { Worker } from 'node:cluster'
import type { TcpHandle } from '../socket/detach/ws-internals.js'

/**
 * A channel between processes that carries handles. They are libuv's own, not `net.Socket`s: over a handle that
 * arrives, Node would build a `net.Socket` which starts to read, in a process that only passes it on. Node would also
 * close the sender's as soon as the receiver has it, which is too early to take it back.
 */
export interface HandleChannel {
  /** The handle stays open here. Calls `failed` when the message cannot go out; not when the other end dies. */
  send(message: unknown, handle: TcpHandle | null, failed: () => void): void
  /** Calls `listener` with the handle that came along, or null. */
  onMessage(listener: (message: unknown, handle: TcpHandle | null) => void): void
}

/** A worker as the primary sees it. */
export interface HandoverPeer extends HandleChannel {
  readonly id: number
  /** Calls `listener` once, when the worker's process has ended; what it has sent may still arrive. */
  onEnd(listener: () => void): void
}

export function workerPeer(worker: Worker): HandoverPeer {
  return {
    id: worker.id,
    send(message, handle, failed) {
      if (!worker.isConnected()) failed()
      else worker.send(message as object, handle as never, (error) => error !== null && failed())
    },
    onMessage: (listener) =>
      void worker.on('message', (message: unknown, handle: unknown) => listener(message, asHandle(handle))),
    // Not 'disconnect': Node 20 never emits it while handles wait for a process that was killed.
    onEnd: (listener) => void worker.once('exit', listener),
  }
}

/** This worker's channel to its primary. */
export const primaryChannel: HandleChannel = {
  send(message, handle, failed) {
    if (process.send === undefined || !process.connected) failed()
    else process.send(message, handle as never, undefined, (error) => error !== null && failed())
  },
  onMessage: (listener) =>
    void process.on('message', (message: unknown, handle: unknown) => listener(message, asHandle(handle))),
}

function asHandle(value: unknown): TcpHandle | null {
  const isHandle = typeof value === 'object' && value !== null && 'close' in value
  return isHandle ? (value as TcpHandle) : null
}
