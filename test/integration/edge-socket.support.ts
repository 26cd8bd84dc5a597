/** A real WebSocket port over sessions whose bus, wazo-auth and registry are in memory. */
import { connect as connectTcp, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { FrameBytes } from '@wazo-websocketd/edge/deliver/frame'
import { Sessions } from '@wazo-websocketd/edge/session/sessions'
import type { SocketLimits } from '@wazo-websocketd/edge/socket/limits'
import type { HandshakeRefusal } from '@wazo-websocketd/edge/socket/metrics'
import {
  createSocketServer,
  type SocketServer,
  type SocketServerOptions,
} from '@wazo-websocketd/edge/socket/server'
import { systemClock } from '@wazo-websocketd/shared/runtime/clock'
import {
  FakeAuth,
  FakeBus,
  FakeMetrics,
  FakeIndex,
  FakeWatch,
  LIMITS,
  MASTER,
} from '../support/fakes/session.js'

const KIB = 1024
const MIB = 1024 * KIB

export const SOCKET_LIMITS: SocketLimits = {
  clientFrameBytes: 64 * KIB,
  clientFragments: 16,
  handshakeTime: 5_000,
  handshakeHeaderBytes: 16 * KIB,
  incompleteUpgrades: 512,
  connectionsPerWorker: 16_000,
  sendBufferSoftBytes: MIB,
  sendBufferSoftTime: 10_000,
  sendBufferHardBytes: 16 * MIB,
  sendBufferWorkerBytes: 256 * MIB,
  pongTime: 20_000,
}

const QUIET = { debug: () => undefined, warn: () => undefined } as never

export interface EdgeOptions extends Partial<Omit<SocketServerOptions, 'limits'>> {
  readonly limits?: Partial<SocketLimits>
  readonly sessionLimits?: Partial<typeof LIMITS>
}

export class Edge {
  readonly bus = new FakeBus()
  readonly auth = new FakeAuth()
  readonly watch = new FakeWatch()
  readonly registry = new FakeIndex()
  readonly metrics = new FakeMetrics()
  readonly refusals: HandshakeRefusal[] = []
  slowConsumers = 0
  bufferedBytes = 0
  readonly host: Sessions
  readonly server: SocketServer
  address: AddressInfo | null = null
  private readonly secure: boolean

  constructor({ limits, sessionLimits, ...options }: EdgeOptions = {}) {
    this.secure = options.tls != null
    const frameBytes = new FrameBytes()
    this.host = new Sessions({
      authenticator: this.auth,
      watch: this.watch,
      tickets: null,
      bus: this.bus,
      index: this.registry,
      permission: this.registry,
      clock: systemClock,
      metrics: this.metrics,
      log: QUIET,
      limits: { ...LIMITS, connectionsPerWorker: 16_000, connectionsPerToken: 1_000, ...sessionLimits },
      partitions: 1,
      everyTenant: false,
      replayBufferBytes: 256 * 1024,
      renewalDeadline: 8_000,
      masterTenant: () => MASTER,
      notReadyReasons: () => this.bus.notReadyReasons(),
      intern: (details) => details,
      defer: (task) => process.nextTick(task),
      frameBytes,
    })
    this.server = createSocketServer({
      listen: '127.0.0.1',
      port: 0,
      tls: null,
      allowedOrigins: null,
      trustedProxies: [],
      pingInterval: 30_000,
      permessageDeflate: false,
      limits: { ...SOCKET_LIMITS, ...limits },
      clock: systemClock,
      log: QUIET,
      metrics: {
        handshakeRefused: (reason) => void this.refusals.push(reason),
        sendBuffer: (bytes) => void (this.bufferedBytes = bytes),
        slowConsumer: () => void (this.slowConsumers += 1),
      },
      frameBytes,
      onConnection: this.host.connect,
      ...options,
    })
    this.auth.mint('good')
  }

  async listen(): Promise<this> {
    this.address = await this.server.listen()
    return this
  }

  get port(): number {
    return this.address!.port
  }

  get url(): string {
    return `${this.secure ? 'wss' : 'ws'}://127.0.0.1:${this.port}/`
  }

  /** A TCP connection that speaks for itself. */
  raw(): RawClient {
    return new RawClient(this.port)
  }

  /** Ends every session and stops listening. */
  async stop(): Promise<void> {
    this.server.stopListening()
    for (const member of this.host.connections.all())
      member.end({ code: 1001, reason: 'test over', comeBack: false })
    await delay(10)
  }
}

export class RawClient {
  readonly socket: Socket
  private chunks: Buffer[] = []
  ended = false
  private readonly openedAt = performance.now()
  /** Milliseconds from connecting to the end, once it came. */
  endedAfter = Infinity

  constructor(port: number) {
    this.socket = connectTcp(port, '127.0.0.1')
    this.socket.on('data', (data: Buffer) => this.chunks.push(data))
    this.socket.on('error', () => undefined)
    this.socket.on('close', () => {
      this.ended = true
      this.endedAfter = performance.now() - this.openedAt
    })
  }

  write(data: string | Uint8Array): this {
    this.socket.write(data)
    return this
  }

  upgrade(path = '/?token=good&version=2', headers = ''): this {
    return this.write(
      `GET ${path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${headers}\r\n`,
    )
  }

  /** Waits until the condition holds; fails after the time. */
  async until(condition: () => boolean, ms = 3_000): Promise<this> {
    const deadline = performance.now() + ms
    while (!condition()) {
      if (performance.now() > deadline)
        throw new Error(`timed out; received ${JSON.stringify(this.text.slice(-300))}`)
      await delay(5)
    }
    return this
  }

  /** All bytes that came. */
  get received(): Buffer {
    if (this.chunks.length > 1) this.chunks = [Buffer.concat(this.chunks)]
    return this.chunks[0] ?? Buffer.alloc(0)
  }

  /** Whether the text is the last that came; cheap, however much came before. */
  endsWith(text: string): boolean {
    return (this.chunks.at(-1)?.subarray(-text.length).toString('latin1') ?? '') === text
  }

  get text(): string {
    return this.received.toString('latin1')
  }

  /** Everything after the head of the 101. */
  get frames(): Buffer {
    const at = this.received.indexOf('\r\n\r\n')
    return at === -1 ? Buffer.alloc(0) : this.received.subarray(at + 4)
  }

  /** The code of the close frame that came, if one did. */
  get closeCode(): number | undefined {
    const { frames } = this
    for (let at = 0; at + 1 < frames.length;) {
      let length = frames[at + 1]! & 0x7f
      let start = at + 2
      if (length === 126) {
        length = frames.readUInt16BE(start)
        start += 2
      } else if (length === 127) {
        length = Number(frames.readBigUInt64BE(start))
        start += 8
      }
      if ((frames[at]! & 0x0f) === 8) return length >= 2 ? frames.readUInt16BE(start) : 1005
      at = start + length
    }
    return undefined
  }
}

/** A client's frame, masked as it has to be. */
export function clientFrame(
  payload: string | Uint8Array,
  { opcode = 1, fin = true, masked = true, rsv = 0 } = {},
): Buffer {
  const body = Buffer.from(payload as Uint8Array)
  const mask = Buffer.from([1, 2, 3, 4])
  const length = body.length < 126 ? Buffer.from([body.length]) : Buffer.alloc(body.length < 65_536 ? 3 : 9)
  if (length.length === 3) {
    length[0] = 126
    length.writeUInt16BE(body.length, 1)
  } else if (length.length === 9) {
    length[0] = 127
    length.writeBigUInt64BE(BigInt(body.length), 1)
  }
  if (masked) {
    length[0] = length[0]! | 0x80
    for (let i = 0; i < body.length; i++) body[i] = body[i]! ^ mask[i % 4]!
  }
  const first = Buffer.from([(fin ? 0x80 : 0) | (rsv << 4) | opcode])
  return Buffer.concat(masked ? [first, length, mask, body] : [first, length, body])
}
