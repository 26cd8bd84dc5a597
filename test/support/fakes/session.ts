/** In-memory stand-ins for everything that surrounds a session. Time only moves when a test moves it. */
import type { Epoch, Offset, Position } from '@wazo-websocketd/shared/domain/position'
import type { Close } from '@wazo-websocketd/shared/domain/close'
import type { BusEvent } from '@wazo-websocketd/shared/domain/event'
import {
  parseTokenId,
  type TokenDetails,
  type TokenId,
  type Verdict,
} from '@wazo-websocketd/shared/domain/identity'
import type { Bus, LogSink, PartitionLease, Reach } from '@wazo-websocketd/edge/bus/ports'
import type { Recipient } from '@wazo-websocketd/edge/route/recipient'
import { FrameBytes } from '@wazo-websocketd/edge/deliver/frame'
import type { Connection } from '@wazo-websocketd/edge/session/connection'
import type { Tickets } from '@wazo-websocketd/edge/drain/tickets'
import type { SessionMetrics } from '@wazo-websocketd/edge/session/metrics'
import { SessionLog } from '@wazo-websocketd/edge/session/session-log'
import { Sessions } from '@wazo-websocketd/edge/session/sessions'
import type {
  ClientSocket,
  LookupPriority,
  TokenLookup,
  SocketListener,
  TokenHolder,
} from '@wazo-websocketd/edge/session/ports'
import { textsOf } from '../frames.js'
import { FakeClock } from './clock.js'
import { fakeLog } from './log.js'

/** Both clocks of a worker start here. */
const START = 1_000_000
export const MASTER = 'master-tenant'

export class FakeSocket implements ClientSocket {
  readonly written: Buffer[] = []
  readonly writes: number[] = []
  readonly closes: Close[] = []
  reading = true
  bufferedBytes = 0
  lastPongAt: number | null = null
  nearlyFull = false
  pauses = 0

  sendFrames(frames: readonly Uint8Array[]): void {
    this.writes.push(frames.length)
    for (const frame of frames) this.written.push(Buffer.from(frame))
  }

  close(close: Close): void {
    this.closes.push(close)
  }

  pause(): void {
    this.reading = false
    this.pauses += 1
  }

  resume(): void {
    this.reading = true
  }

  /** The texts of all frames that were written. */
  get texts(): string[] {
    return textsOf(Buffer.concat(this.written))
  }

  get messages(): unknown[] {
    return this.texts.map((text) => JSON.parse(text) as unknown)
  }

  get closeCode(): number | undefined {
    return this.closes[0]?.code
  }
}

interface Reading {
  readonly partition: number
  readonly epoch: Epoch
  readonly offset: Offset
  readonly until: Offset | undefined
  readonly reader: LogSink
  stopped: boolean
}

export class FakeBus implements Bus {
  missingParts: string[] = []
  epoch = 'epoch' as Epoch
  cursors: (Offset | null)[] = [10, 10, 10, 10]
  /** While true, leases wait for `goLive`. */
  waiting = false
  leases: number[][] = []
  released: number[][] = []
  readings: Reading[] = []
  /** What `reach` answers, by partition; `reached` unless given. */
  readonly reaches = new Map<number, Reach>()
  /** The positions that were asked about. */
  readonly reachAsked: [partition: number, offset: Offset][] = []
  private queue: (() => void)[] = []

  notReadyReasons(): readonly string[] {
    return this.missingParts
  }

  lease(partitions: readonly number[]): PartitionLease {
    const copy = [...partitions]
    this.leases.push(copy)
    let open = true
    return {
      whenLive: (task) => {
        const answer = () => queueMicrotask(() => open && task())
        if (this.waiting) this.queue.push(answer)
        else answer()
      },
      release: () => {
        if (!open) throw new Error('released twice')
        open = false
        this.released.push(copy)
      },
    }
  }

  goLive(): void {
    this.waiting = false
    for (const answer of this.queue) answer()
    this.queue = []
  }

  get openLeases(): number {
    return this.leases.length - this.released.length
  }

  cursor(partition: number): Position | null {
    const offset = this.cursors[partition] ?? null
    return offset === null ? null : { epoch: this.epoch, offset }
  }

  readLog(partition: number, { epoch, offset }: Position, reader: LogSink, until?: Offset): () => void {
    const entry = { partition, epoch, offset, until, reader, stopped: false }
    this.readings.push(entry)
    return () => (entry.stopped = true)
  }

  reach(partition: number, { offset }: Position): Promise<Reach> {
    this.reachAsked.push([partition, offset])
    return Promise.resolve(this.reaches.get(partition) ?? 'reached')
  }
}

/** What the table of connections and a drain use of a connection. */
export class FakeConnection {
  readonly token: string
  readonly address = '192.0.2.1'
  readonly owner: { readonly sessionUuid: string; readonly userUuid: string } | null
  readonly revocations: [partition: number, offset: Offset][] = []
  ending = false
  private readonly onEnd: (close: Close) => void

  constructor(token: string, owner: FakeConnection['owner'] = null, onEnd = (_close: Close) => {}) {
    this.token = token
    this.owner = owner
    this.onEnd = onEnd
  }

  /** For those who ask for a real one. */
  get real(): Connection {
    return this as unknown as Connection
  }

  revoked(partition: number, offset: Offset): void {
    this.revocations.push([partition, offset])
  }

  end(close: Close): void {
    this.ending = true
    this.onEnd(close)
  }
}

/** Knows wazo-auth's tokens; a token that was not minted is invalid. */
export class FakeAuth {
  readonly tokens = new Map<string, Verdict>()
  asked: string[] = []
  /** What each question was asked for. */
  readonly priorities: LookupPriority[] = []
  /** Tokens about which nobody wants to know any more. */
  readonly withdrawn: string[] = []
  /** While true, answers wait for `answer`. */
  waiting = false
  private queue: (() => void)[] = []

  mint(token: string, details: Partial<TokenDetails> = {}): TokenDetails {
    const full: TokenDetails = {
      token: parseTokenId(token)!,
      sessionUuid: `session-of-${token}`,
      userUuid: 'user-1',
      tenantUuid: 'tenant-1',
      admin: false,
      acl: ['websocketd', 'events.#'],
      expiresAt: 10_000_000,
      ...details,
    }
    this.tokens.set(token, { kind: 'valid', details: full })
    return full
  }

  lookup(token: TokenId, priority: LookupPriority): TokenLookup {
    this.asked.push(token)
    this.priorities.push(priority)
    return { answer: this.verdict(token), withdraw: () => void this.withdrawn.push(token) }
  }

  private async verdict(token: TokenId): Promise<Verdict> {
    if (this.waiting) await new Promise<void>((resolve) => this.queue.push(resolve))
    return this.tokens.get(token) ?? { kind: 'invalid' }
  }

  answer(): void {
    this.waiting = false
    for (const resolve of this.queue) resolve()
    this.queue = []
  }
}

export class FakeWatch {
  readonly watches: { details: TokenDetails; holder: TokenHolder; stopped: number }[] = []

  watch(details: TokenDetails, holder: TokenHolder): { stop(): void } {
    const entry = { details, holder, stopped: 0 }
    this.watches.push(entry)
    return { stop: () => (entry.stopped += 1) }
  }

  get open(): number {
    return this.watches.filter(({ stopped }) => stopped === 0).length
  }

  /** The latest watch. */
  get last() {
    return this.watches.at(-1)!
  }
}

/** An index that asks every recipient's subscriptions and tenant. */
export class FakeIndex {
  readonly recipients = new Set<Recipient>()
  readonly calls: string[] = []

  add(recipient: Recipient): void {
    if (this.recipients.has(recipient)) throw new Error('added twice')
    this.recipients.add(recipient)
    this.calls.push('add')
  }

  remove(recipient: Recipient): void {
    if (this.recipients.delete(recipient)) this.calls.push('remove')
  }

  has(recipient: Recipient): boolean {
    return this.recipients.has(recipient)
  }

  subscriptionChanged(recipient: Recipient, name: string): void {
    if (this.recipients.has(recipient)) this.calls.push(`subscribed ${name}`)
  }

  identityReplaced(recipient: Recipient): void {
    if (this.recipients.has(recipient)) this.calls.push(`identified ${recipient.identity.tenantUuid}`)
  }

  permits(recipient: Recipient, event: BusEvent): boolean {
    const { identity, subscriptions } = recipient
    return (
      (identity.master || identity.tenantUuid === event.tenant) &&
      (subscriptions.has('*') || subscriptions.has(event.name))
    )
  }

  /** What the router does with one event. */
  route(event: BusEvent): void {
    for (const recipient of this.recipients) if (this.permits(recipient, event)) recipient.deliver(event)
  }
}

export class FakeMetrics implements SessionMetrics {
  open = 0
  closedWith: number[] = []
  rejections: string[] = []
  moves: string[] = []
  live = 0
  ops: string[] = []
  deliveries: [receivers: number, latencyMs: number][] = []
  expiries: string[] = []
  ticketResults: string[] = []
  resumptions: string[] = []

  opened(): void {
    this.open += 1
  }
  closed(_version: number, code: number): void {
    this.open -= 1
    this.closedWith.push(code)
  }
  moved(_version: number, where: 'here' | 'away'): void {
    this.open += where === 'here' ? 1 : -1
    this.moves.push(where)
  }
  rejected(reason: string): void {
    this.rejections.push(reason)
  }
  subscriptions(delta: number): void {
    this.live += delta
  }
  op(op: string, result: string): void {
    this.ops.push(`${op} ${result}`)
  }
  delivered(receivers: number, latencyMs: number): void {
    this.deliveries.push([receivers, latencyMs])
  }
  expired(source: string): void {
    this.expiries.push(source)
  }
  resumption(result: string): void {
    this.resumptions.push(result)
  }
  tickets(result: string, tickets: number): void {
    for (let i = 0; i < tickets; i++) this.ticketResults.push(result)
  }
}

export function event(offset: Offset, changes: Partial<BusEvent> & { text?: string } = {}): BusEvent {
  const { text = `{"n":${offset}}`, ...rest } = changes
  return {
    offset,
    name: 'foo',
    tenant: 'tenant-1',
    everyone: true,
    users: [],
    requiredAcl: null,
    revokedSession: null,
    revocationOnly: false,
    receivedAt: 999_990,
    body: Buffer.from(text),
    ...rest,
  }
}

export const LIMITS = {
  subscriptionsPerSession: 1024,
  eventNameBytes: 256,
  opsPerSecond: 50,
  opsBurst: 300,
  connectionsPerWorker: 100,
  connectionsPerToken: 10,
  connectionsPerUser: null as number | null,
  connectionsPerIp: null as number | null,
}

/** One worker with everything in memory. */
export class Worker {
  readonly clock = new FakeClock(START)
  readonly bus = new FakeBus()
  readonly auth = new FakeAuth()
  readonly watch = new FakeWatch()
  readonly index = new FakeIndex()
  readonly metrics = new FakeMetrics()
  readonly warnings: string[] = []
  readonly lines = fakeLog()
  masterTenant: string | undefined = MASTER
  private defer: (() => void)[] = []
  readonly sessions: Sessions

  constructor(limits: Partial<typeof LIMITS> = {}, partitions = 1, tickets: Tickets | null = null) {
    this.sessions = new Sessions({
      authenticator: this.auth,
      watch: this.watch,
      tickets,
      bus: this.bus,
      index: this.index,
      permission: this.index,
      clock: this.clock,
      metrics: this.metrics,
      // With a clock of its own: its timers are no session's.
      sessionLog: new SessionLog({
        sessions: true,
        tagOf: () => 'tag',
        clock: new FakeClock(),
        log: this.lines.logger,
        hostLog: this.lines.logger,
      }),
      hostLog: { warn: (_, text) => void this.warnings.push(text) },
      limits: { ...LIMITS, ...limits },
      partitions,
      everyTenant: false,
      resumeSeconds: 120,
      replayBufferBytes: 1_000,
      renewalDeadline: 8_000,
      masterTenant: () => this.masterTenant,
      notReadyReasons: () => this.bus.notReadyReasons(),
      intern: (details) => details,
      defer: (task) => void this.defer.push(task),
      frameBytes: new FrameBytes(),
    })
  }

  /** Runs what the worker's process.nextTick would run now. */
  flush(): void {
    const tasks = this.defer
    this.defer = []
    for (const task of tasks) task()
  }

  /** Lets promises settle and writes go out. */
  async settle(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve))
    this.flush()
  }

  upgrade(url: string, address = '192.0.2.1', tokenHeader?: string): Client {
    const socket = new FakeSocket()
    return new Client(socket, this.sessions.connect(socket, { url, tokenHeader, address }))
  }

  /** A session of the token, after `init`. */
  async connect(token: string, version = 2): Promise<Client> {
    const client = this.upgrade(`/?version=${version}&token=${token}`)
    await this.settle()
    return client
  }

  /** A session that is started with these names. */
  async start(token: string, version = 2, ...names: string[]): Promise<Client> {
    const client = await this.connect(token, version)
    for (const name of names) client.op({ op: 'subscribe', data: { event_name: name } })
    client.op({ op: 'start' })
    await this.settle()
    client.socket.written.length = 0
    return client
  }
}

export class Client {
  readonly socket: FakeSocket
  readonly listener: SocketListener

  constructor(socket: FakeSocket, listener: SocketListener) {
    this.socket = socket
    this.listener = listener
  }

  op(op: object): void {
    this.listener.text(JSON.stringify(op))
  }
}
