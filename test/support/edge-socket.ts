/** A real WebSocket port over sessions whose bus, wazo-auth and registry are in memory. */
import { connect as connectTcp, type AddressInfo, type Socket } from 'node:net'
import { FrameBytes } from '@wazo-websocketd/edge/deliver/frame'
import { Sessions } from '@wazo-websocketd/edge/session/sessions'
import type { Flood } from '@wazo-websocketd/edge/socket/inbound'
import type { SocketLimits } from '@wazo-websocketd/edge/socket/limits'
import type { HandshakeRefusal } from '@wazo-websocketd/edge/socket/metrics'
import {
  createSocketServer,
  type SocketServer,
  type SocketServerOptions,
} from '@wazo-websocketd/edge/socket/server'
import { systemClock } from '@wazo-websocketd/shared/runtime/clock'
import { FakeAuth, FakeBus, FakeMetrics, FakeIndex, FakeWatch, LIMITS, MASTER } from './fakes/session.js'
import { CLOSE, closeCodeOf, FrameReader } from './frames.js'
import { sleep, waitFor } from './wait.mjs'

const KIB = 1024
const MIB = 1024 * KIB

export const SOCKET_LIMITS: SocketLimits = {
  clientFrameBytes: 64 * KIB,
  clientFragments: 16,
  clientReadsPerSecond: 640,
  clientFramesPerSecond: 2_000,
  clientBytesPerSecond: 2 * MIB,
  controlFramesPerSecond: 10,
  controlFramesBurst: 100,
  closingBytes: 128 * KIB,
  handshakeTime: 5_000,
  handshakeHeaderBytes: 16 * KIB,
  incompleteUpgrades: 512,
  connectsPerIpPerSecond: null,
  socketsPerWorker: 17_024,
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
  readonly floods: Flood[] = []
  readsHeld = 0
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
      hostLog: QUIET,
      sessionLog: { ended: () => undefined, refused: () => undefined },
      limits: { ...LIMITS, connectionsPerWorker: 16_000, connectionsPerToken: 1_000, ...sessionLimits },
      partitions: 1,
      everyTenant: false,
      resumeSeconds: 120,
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
        flooding: (reason) => void this.floods.push(reason),
        readsHeld: () => void (this.readsHeld += 1),
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

  /** Forgets what the stand-ins have written down; a test that goes on for millions of frames would run out of memory. */
  forget(): void {
    const { bus, auth, metrics, registry, watch } = this
    const open = watch.watches.filter(({ stopped }) => stopped === 0)
    watch.watches.splice(0, Infinity, ...open)
    bus.leases.splice(0, bus.released.length)
    for (const list of [
      bus.released,
      bus.readings,
      auth.asked,
      auth.priorities,
      auth.withdrawn,
      registry.calls,
    ])
      list.length = 0
    for (const list of [
      metrics.closedWith,
      metrics.rejections,
      metrics.moves,
      metrics.ops,
      metrics.deliveries,
    ])
      list.length = 0
    for (const list of [this.refusals, this.floods]) list.length = 0
  }

  /** Ends every session and stops listening. */
  async stop(): Promise<void> {
    this.server.stopListening()
    for (const member of this.host.connections.all())
      member.end({ code: 1001, reason: 'test over', comeBack: false })
    await sleep(10)
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
    await waitFor(condition, { timeoutMs: ms, everyMs: 5 }).catch(() => {
      throw new Error(`timed out; received ${JSON.stringify(this.text.slice(-300))}`)
    })
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
    let code: number | undefined
    new FrameReader((kind, bytes, from, to) => {
      if (kind === CLOSE) code ??= closeCodeOf(bytes, from, to)
    }).push(this.frames)
    return code
  }
}
