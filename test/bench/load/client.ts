import { connect, type Socket } from 'node:net'
import { DIALECTS, type Dialect, type DialectName } from './dialect.js'
import { CLOSE, closeCodeOf, FrameReader } from '../../support/frames.js'

/** Where a client connects to, and as whom. */
export interface Address {
  readonly port: number
  /** Of the loopback network, so that many clients have ports enough. */
  readonly localAddress: string
  /** Target of the upgrade request. */
  readonly path: string
  readonly dialect: DialectName
}

export interface ClientListener {
  /** By our server's or socket.io's word, or by the upgrade. */
  admitted(client: RawClient): void
  /** From here on events come. */
  ready(client: RawClient): void
  /** An event; the payload is valid until it returns. */
  event(client: RawClient, bytes: Buffer, from: number, to: number): void
  /** The connection has ended though nobody here ended it. */
  lost(client: RawClient, why: string): void
}

const END_OF_HEAD = '\r\n\r\n'
/** All sockets read into the same memory: what comes is worked off before the next read. */
const shared = Buffer.allocUnsafe(256 * 1024)

/** A client on a raw TCP socket, that does as little as can be: what it costs is missing to those that it measures. */
export class RawClient {
  /** Whether its events' latency is looked at. */
  readonly sampled: boolean
  private readonly socket: Socket
  private readonly dialect: Dialect
  private readonly listener: ClientListener
  private readonly frames = new FrameReader((...frame) => this.frame(...frame))
  private head = ''
  private upgraded = false
  private isAdmitted = false
  private isReady = false
  private ended = false

  constructor(address: Address, sampled: boolean, listener: ClientListener) {
    this.sampled = sampled
    this.listener = listener
    this.dialect = DIALECTS[address.dialect]
    const { port, localAddress, path } = address
    const callback = (length: number): boolean => {
      this.read(shared.subarray(0, length))
      return true
    }
    const options = {
      host: '127.0.0.1',
      port,
      localAddress,
      noDelay: true,
      onread: { buffer: shared, callback },
    }
    this.socket = connect(options, () => void this.socket.write(upgradeRequest(path, port)))
    this.socket.on('error', (error) => this.end(error.message))
    this.socket.on('close', () => this.end('the server has closed the connection'))
  }

  /** Ends the connection without a word. */
  drop(): void {
    this.ended = true
    this.socket.destroy()
  }

  private read(bytes: Buffer): void {
    if (this.upgraded) this.frames.push(bytes)
    else this.handshake(bytes)
  }

  private handshake(bytes: Buffer): void {
    this.head += bytes.toString('latin1')
    const end = this.head.indexOf(END_OF_HEAD)
    if (end === -1) return
    if (!this.head.startsWith('HTTP/1.1 101')) {
      this.end(this.head.split('\r\n', 1)[0] ?? '')
      return
    }
    const rest = Buffer.from(this.head.slice(end + END_OF_HEAD.length), 'latin1')
    this.head = ''
    this.upgraded = true
    if (this.dialect.upgraded === 'ready') this.becomeReady()
    if (this.dialect.opening !== null) this.socket.write(this.dialect.opening)
    if (rest.length > 0) this.frames.push(rest)
  }

  private frame(kind: number, bytes: Buffer, from: number, to: number): void {
    if (kind === CLOSE) {
      this.end(`closed with ${closeCodeOf(bytes, from, to)} ${bytes.toString('latin1', from + 2, to)}`)
      return
    }
    const { dialect } = this
    if (!this.isReady) {
      const { meaning, reply } = dialect.greet(kind, bytes.subarray(from, to))
      if (reply !== null) this.socket.write(reply)
      if (meaning === 'admitted') this.becomeAdmitted()
      else if (meaning === 'ready') this.becomeReady()
      return
    }
    const first = bytes[from] ?? 0
    if (dialect.isEvent(kind, first)) {
      this.listener.event(this, bytes, from, to)
      return
    }
    const reply = dialect.answer(kind, first)
    if (reply !== null) this.socket.write(reply)
  }

  private becomeAdmitted(): void {
    if (this.isAdmitted) return
    this.isAdmitted = true
    this.listener.admitted(this)
  }

  private becomeReady(): void {
    this.becomeAdmitted()
    this.isReady = true
    this.listener.ready(this)
  }

  private end(why: string): void {
    if (this.ended) return
    this.ended = true
    this.socket.destroy()
    this.listener.lost(this, why)
  }
}

function upgradeRequest(path: string, port: number): string {
  return [
    `GET ${path} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Version: 13',
    END_OF_HEAD.slice(2),
  ].join('\r\n')
}
