/**
 * The one place that uses internals of `ws` and `node:net`. Its test pins what it relies on, with the versions of `ws`
 * and Node that it was written for (8.23 and 20.20). Where another version has changed it, `findObstacle` returns
 * `unsupported` and every connection stays where it is. The process that is to go on with one may have another
 * version: `canOpen` tells whether it can.
 */
import { Socket } from 'node:net'
import { WebSocket, type ServerOptions } from 'ws'
import type { Obstacle } from './obstacle.js'

/** libuv's end of a TCP connection, as Node wraps it. Its holder has to close it. */
export interface TcpHandle {
  reading: boolean
  /** Bytes that libuv has taken and the kernel has not. */
  readonly writeQueueSize: number
  readStart(): number
  readStop(): number
  close(): void
}

/** `ws`'s parser of the incoming stream. */
interface Receiver {
  /** 0: the next byte begins a frame. */
  readonly _state: number
  readonly _bufferedBytes: number
  /** The opcode of the message whose fragments are coming; 0: none. */
  readonly _fragmented: number
  /** What it has been given and has not parsed, because it is busy inflating. */
  readonly writableLength: number
}

interface WebSocketInternals {
  readonly _receiver: Receiver | null
  readonly _socket: Socket | null
  setSocket(socket: Socket, head: Uint8Array, options: ServerOptions): void
}

interface SocketInternals {
  _handle: TcpHandle | null
}

/** Takes what the stream has read; `this` is the stream. */
export type DataListener = (this: Socket, chunk: Buffer) => void

const FRAME_START = 0

/**
 * Puts `listener` between a stream and the parser of `ws`. Returns the parser's own listener, which is to be called
 * with what the parser may have.
 */
export function takeData(stream: Socket, listener: DataListener): DataListener {
  const [parser] = stream.listeners('data') as DataListener[]
  if (parser === undefined) throw new Error('ws does not listen to its stream')
  stream.off('data', parser)
  stream.on('data', listener)
  return parser
}

/** Returns what keeps the connection in this process, or null. Changes nothing. */
export function findObstacle(ws: WebSocket, stream: Socket): Obstacle | null {
  if ('encrypted' in stream) return 'tls'
  if (ws.extensions !== '') return 'compression'
  // A stream that has read the client's FIN would keep the end of the stream to itself.
  if (ws.readyState !== WebSocket.OPEN || stream.destroyed || hasEnded(stream)) return 'closing'
  const receiver = receiverOf(ws, stream)
  const handle = handleOf(stream)
  if (receiver === null || handle === null || stream.listenerCount('data') !== 1) return 'unsupported'
  if (receiver._state !== FRAME_START || receiver._bufferedBytes !== 0) return 'mid-frame'
  if (receiver.writableLength !== 0) return 'mid-frame'
  if (receiver._fragmented !== 0) return 'mid-message'
  if (ws.bufferedAmount !== 0 || handle.writeQueueSize !== 0 || stream.writableCorked !== 0) return 'unsent'
  return null
}

/** A connection without its handle: nothing is read, and what is written waits in the stream. */
export interface Suspended {
  readonly handle: TcpHandle
  /** What was read and not parsed. */
  readonly head: Buffer
  /** Reads and writes again, `head` first. Closes the handle when the stream has been destroyed meanwhile. */
  readonly restore: () => void
  /** Ends the stream without touching the connection, but for this process's handle. */
  readonly abandon: () => void
}

/**
 * Takes the handle away from a stream that `findObstacle` has nothing against. Pausing the stream would not do:
 * it would keep what libuv goes on reading. Everything happens in one tick, in which libuv reads nothing.
 */
export function suspend(stream: Socket): Suspended {
  const internals = internalsOf(stream)
  const handle = internals._handle as TcpHandle
  const [onData] = stream.listeners('data') as DataListener[]
  // `read` would give the chunks to the old parser as well.
  stream.removeAllListeners('data')
  const chunks: Buffer[] = []
  while (stream.readableLength > 0) chunks.push(stream.read() as Buffer)
  const head = Buffer.concat(chunks)
  // After the last `read`, which may have started the handle again.
  handle.reading = false
  handle.readStop()
  // Without a handle the stream cannot start reading by itself, and a stream that is destroyed closes nothing.
  internals._handle = null
  stream.cork()
  return {
    handle,
    head,
    restore: () => restore(stream, handle, head, onData as DataListener),
    abandon: () => {
      stream.destroy()
      handle.close()
    },
  }
}

function restore(stream: Socket, handle: TcpHandle, head: Buffer, onData: DataListener): void {
  if (stream.destroyed) {
    handle.close()
    return
  }
  internalsOf(stream)._handle = handle
  stream.uncork()
  // A paused stream stays paused: a listener for 'data' wakes only one that has never been paused.
  stream.on('data', onData)
  if (head.length > 0) stream.unshift(head)
  startReading(stream)
}

/** Reads again, unless what `head` brought about has destroyed the stream. */
function startReading(stream: Socket): void {
  const handle = internalsOf(stream)._handle
  if (handle === null) return
  handle.reading = true
  handle.readStart()
}

/** Makes a stream over a handle that another process had; it reads as soon as it has a listener. */
export function streamOver(handle: TcpHandle): Socket {
  // `manualStart` is not documented: with it the constructor does not read, so nothing can come before `head`.
  return new Socket({ handle, allowHalfOpen: true, manualStart: true } as object)
}

/** Makes `ws` speak over a stream whose upgrade happened elsewhere; `head` counts as read from it. */
export function openOver(ws: WebSocket, stream: Socket, head: Uint8Array, options: ServerOptions): void {
  ;(ws as unknown as WebSocketInternals).setSocket(stream, head, options)
}

/**
 * Whether the `ws` of this process speaks over a stream that it has not upgraded itself: tries it on one that is not
 * connected. A worker that found out with the first connection would lose those that it has confirmed.
 * @param make makes a server's end, as for a connection of another process
 */
export function canOpen(make: () => WebSocket, options: ServerOptions): boolean {
  const stream = new Socket()
  try {
    const ws = make()
    ws.on('error', () => undefined)
    openOver(ws, stream, Buffer.alloc(0), options)
    return ws.readyState === WebSocket.OPEN && receiverOf(ws, stream) !== null
  } catch {
    return false
  } finally {
    stream.destroy()
  }
}

function internalsOf(stream: Socket): SocketInternals {
  return stream as unknown as SocketInternals
}

function hasEnded(stream: Socket): boolean {
  const { _readableState: state } = stream as unknown as { _readableState?: { ended?: boolean } }
  return state?.ended !== false
}

function receiverOf(ws: WebSocket, stream: Socket): Receiver | null {
  const { _receiver: receiver, _socket: socket } = ws as unknown as Partial<WebSocketInternals>
  if (receiver == null || socket !== stream) return null
  const { _state, _bufferedBytes, _fragmented, writableLength } = receiver
  return [_state, _bufferedBytes, _fragmented, writableLength].every(Number.isInteger) ? receiver : null
}

function handleOf(stream: Socket): TcpHandle | null {
  const handle = internalsOf(stream)._handle
  if (handle === null || !Number.isInteger(handle.writeQueueSize)) return null
  return typeof handle.readStop === 'function' && typeof handle.readStart === 'function' ? handle : null
}
