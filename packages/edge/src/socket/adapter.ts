import type { Socket } from 'node:net'
import { SLOW_CONSUMER, limitExceeded, type Close } from '@wazo-websocketd/shared/domain/close'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import { WebSocket, type RawData } from 'ws'
import type { ClientSocket, SocketListener } from '../session/ports.js'
import { takeData, type DataListener } from './detach/ws-internals.js'
import type { Pingable, Heartbeat } from './heartbeat.js'
import type { Flood, Inbound, InboundConnection } from './inbound.js'
import type { InboundWindows } from './inbound-windows.js'
import type { SocketMetrics } from './metrics.js'
import type { BufferedConnection, SendBuffers } from './send-buffers.js'

/** How long a client that is closed for what it does may still read before its socket is destroyed. */
const LINGER_MS = 2_000
const FLOOD_CLOSE = limitExceeded('too many control frames')
/** An empty, final, unmasked ping frame, the same for all. */
const PING_FRAME = Uint8Array.of(0x89, 0)
/** The code of an abnormal end of a socket (RFC 6455, section 7.4.1). */
const ABNORMAL = 1006

/** The codes with which `ws` answers faulty frames; all others are protocol errors. */
const FAULT_CODES: ReadonlyMap<string, number> = new Map([
  ['WS_ERR_INVALID_UTF8', 1007],
  ['WS_ERR_TOO_MANY_BUFFERED_PARTS', 1008],
  ['WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH', 1009],
  ['WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', 1009],
])
const PROTOCOL_ERROR = 1002

/** A socket that knows its adapter. */
interface Adapted {
  adapter: WsAdapter | null
}

/** Is a `ws` socket that knows its adapter, so that all sockets can share their event handlers. */
export class PeerWebSocket extends WebSocket implements Adapted {
  adapter: WsAdapter | null = null
}

/** The `ws` socket of a connection and the TCP or TLS stream below it. */
export interface Transport {
  readonly ws: PeerWebSocket
  readonly stream: Socket
}

/** What the adapters of a worker share. */
export interface AdapterContext {
  readonly clock: Clock
  readonly heartbeat: Heartbeat
  readonly buffers: SendBuffers
  readonly inbound: InboundWindows
  readonly metrics: Pick<SocketMetrics, 'flooding' | 'readsHeld'>
}

/** A stream that knows the adapter of its connection. */
type AdaptedStream = Socket & { adapter?: WsAdapter | null }

/**
 * Presents a `ws` socket as a session's client end. Writes whole frames directly to the stream below, and meters what
 * `ws` is given to parse.
 */
export class WsAdapter implements ClientSocket, Pingable, BufferedConnection, InboundConnection {
  /** Written by the heartbeat alone. */
  heartbeatSlot: number | null = null
  pendingPingTick: number | null = null
  paused = false
  lastPongAt: number | null = null
  private readonly ws: PeerWebSocket
  private readonly stream: AdaptedStream
  private readonly context: AdapterContext
  private readonly parser: DataListener
  private listener: SocketListener | null = null
  /** null: the client has sent nothing lately. */
  private inbound: Inbound | null = null

  constructor(ws: PeerWebSocket, stream: Socket, context: AdapterContext) {
    this.ws = ws
    this.stream = stream
    this.context = context
    ws.adapter = this
    this.stream.adapter = this
    this.parser = takeData(stream, onData)
    stream.prependListener('close', onStreamClose)
    ws.on('message', onMessage).on('pong', onPong).on('error', onError).on('close', onClose)
    context.heartbeat.add(this)
  }

  /** Sets the listener; to be called in the tick of the construction. */
  listen(listener: SocketListener): void {
    this.listener = listener
  }

  get transport(): Transport {
    return { ws: this.ws, stream: this.stream }
  }

  get bufferedBytes(): number {
    return this.stream.writableLength
  }

  get nearlyFull(): boolean {
    return this.context.buffers.nearlyFull
  }

  sendFrames(frames: readonly Uint8Array[]): void {
    if (this.ws.readyState !== WebSocket.OPEN) return
    const [first] = frames
    if (first === undefined) return
    let taken: boolean
    if (frames.length === 1) taken = this.stream.write(first)
    else {
      this.stream.cork()
      for (const frame of frames) this.stream.write(frame)
      this.stream.uncork()
      taken = !this.stream.writableNeedDrain
    }
    if (!taken) this.context.buffers.backpressure(this, bytesOf(frames))
  }

  close({ code, reason }: Close): void {
    if (this.ws.readyState !== WebSocket.OPEN) return
    // The client's answer to the close frame has to be read.
    this.resume()
    this.context.buffers.remove(this)
    this.ws.close(code, reason)
  }

  pause(): void {
    if (this.paused) return
    this.paused = true
    this.ws.pause()
  }

  resume(): void {
    if (!this.paused) return
    this.paused = false
    if (this.inbound?.holds !== true) this.ws.resume()
  }

  get closing(): boolean {
    return this.ws.readyState !== WebSocket.OPEN
  }

  get stopped(): boolean {
    return this.stream.isPaused()
  }

  parse(bytes: Buffer): void {
    this.parser.call(this.stream, bytes)
  }

  putBack(rest: Buffer): void {
    this.stream.unshift(rest)
  }

  hold(): void {
    this.context.metrics.readsHeld()
    this.ws.pause()
  }

  release(): void {
    if (!this.paused) this.ws.resume()
  }

  /** Before the close frame the client is told why; after it there is nothing more to say. */
  cut(flood: Flood): void {
    this.context.metrics.flooding(flood)
    if (flood === 'after-close') {
      this.ws.terminate()
      return
    }
    this.close(FLOOD_CLOSE)
    this.ended(FLOOD_CLOSE.code)
    this.ws.pause()
    this.lingerAndTerminate()
  }

  idle(): void {
    this.inbound = null
  }

  /** What the client has sent arrives here before `ws` parses it. */
  arrived(chunk: Buffer): void {
    this.inbound ??= this.context.inbound.add(this)
    this.inbound.receive(chunk)
  }

  ping(): void {
    if (this.ws.readyState === WebSocket.OPEN) this.stream.write(PING_FRAME)
  }

  timedOut(): void {
    this.ws.terminate()
  }

  closeSlow(): void {
    this.close(SLOW_CONSUMER)
    this.ended(SLOW_CONSUMER.code)
    this.lingerAndTerminate()
  }

  private lingerAndTerminate(): void {
    this.context.clock.after(LINGER_MS, () => this.ws.terminate())
  }

  received(data: RawData, isBinary: boolean): void {
    if (this.ws.readyState !== WebSocket.OPEN) return
    // With the default binaryType a message is one Buffer.
    if (isBinary) this.listener?.binary()
    else this.listener?.text((data as Buffer).toString())
  }

  ponged(): void {
    this.lastPongAt = this.context.clock.monotonic()
    this.context.heartbeat.answered(this)
  }

  /** The socket is on its way to another process: it is neither pinged nor closed as slow. */
  suspended(): void {
    this.context.heartbeat.remove(this)
    this.context.buffers.remove(this)
  }

  /** The socket has come back. */
  restored(): void {
    if (this.ws.readyState === WebSocket.OPEN) this.context.heartbeat.add(this)
  }

  /** The socket is another process's now: its end here is not reported. */
  handedOver(): void {
    this.suspended()
    this.listener = null
    this.ws.adapter = null
    this.stream.adapter = null
    this.unmeter()
  }

  /** The stream is gone. What was read and held back is nobody's: `ws` would parse it in one go. */
  streamClosed(): void {
    this.unmeter()
    while (this.stream.read() !== null);
  }

  private unmeter(): void {
    if (this.inbound !== null) this.context.inbound.remove(this.inbound)
  }

  /** The socket is gone or going: reports its end, after which it is neither pinged nor written to. Idempotent. */
  ended(code: number): void {
    this.context.heartbeat.remove(this)
    this.context.buffers.remove(this)
    const { listener } = this
    this.listener = null
    listener?.closed(code)
  }
}

function bytesOf(frames: readonly Uint8Array[]): number {
  let bytes = 0
  for (const { length } of frames) bytes += length
  return bytes
}

function adapterOf(socket: object): WsAdapter | null {
  return (socket as Adapted).adapter
}

function onData(this: AdaptedStream, chunk: Buffer): void {
  this.adapter?.arrived(chunk)
}

function onStreamClose(this: AdaptedStream): void {
  this.adapter?.streamClosed()
}

function onMessage(this: WebSocket, data: RawData, isBinary: boolean): void {
  adapterOf(this)?.received(data, isBinary)
}

function onPong(this: WebSocket): void {
  adapterOf(this)?.ponged()
}

/** Called when `ws` has answered a fault with a close frame, or the socket is broken. */
function onError(this: WebSocket, error: Error & { code?: string }): void {
  const code = error.code ?? ''
  const closeCode = code.startsWith('WS_ERR_') ? (FAULT_CODES.get(code) ?? PROTOCOL_ERROR) : ABNORMAL
  adapterOf(this)?.ended(closeCode)
}

function onClose(this: WebSocket, code: number): void {
  adapterOf(this)?.ended(code)
}
