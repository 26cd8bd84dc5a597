/** Client frames, against the real socket port: RFC 6455 and the ops, valid, nearly valid, and raw bytes. */
import fc from 'fast-check'
import {
  CLOSE,
  clientFrame,
  closeCodeOf,
  FrameReader,
  PING,
  PONG_OPCODE,
  TEXT,
} from '../../support/frames.js'
import { Edge } from '../../support/edge-socket.js'
import { readOp } from '../../support/reference-ops.js'
import { connect, type Socket } from 'node:net'
import { waitFor } from '../../support/wait.mjs'
import { hold, Tally, type Area, type Subject } from '../area.js'
import { damaged, json, noise, oddJson, oddName, objectText } from '../odd.js'

const GOOD = 'good'
const OTHER = 'other'
const ANSWERED_MS_MAX = 10_000
const EVENT_NAME_BYTES_MAX = 256
const MESSAGE_BYTES_MAX = 64 * 1024
/** What PROTOCOL.md lets frames end a session with, besides what the client's own close frame says. */
const MALFORMED: ReadonlySet<number> = new Set([1002, 1007, 1008, 1009])
/** Bytes may make up ops, and close frames without a code. */
const FROM_ANY_BYTES: ReadonlySet<number> = new Set([...MALFORMED, 1000, 1005, 4002, 4004])

/** A whole message, in frames that no parser can object to. */
interface Message {
  readonly kind: 'message'
  readonly bytes: Buffer
  readonly frames: number
  readonly content: Buffer
  readonly binary: boolean
}

/** Some bytes that a client sends. */
type Piece =
  | Message
  /** Frames that mean nothing to the session. */
  | { readonly kind: 'control'; readonly bytes: Buffer; readonly frames: number }
  /** The client's close frame. */
  | { readonly kind: 'close'; readonly bytes: Buffer; readonly frames: number; readonly code: number }
  /** Whole frames that break a rule of RFC 6455 or a limit. */
  | { readonly kind: 'malformed'; readonly bytes: Buffer; readonly frames: number }
  /** Anything: what follows may be taken for a part of it. */
  | { readonly kind: 'raw'; readonly bytes: Buffer; readonly frames: number }

/** What one client sends. */
interface Stream {
  readonly version: 1 | 2
  readonly pieces: readonly Piece[]
  /** Sizes of the writes in which it is sent; empty: all at once. */
  readonly writes: readonly number[]
}

const op = fc.oneof(
  { weight: 4, arbitrary: json.map((payload) => `{"op":"ping","data":{"payload":${payload}}}`) },
  {
    weight: 3,
    arbitrary: oddName.map((name) => JSON.stringify({ op: 'subscribe', data: { event_name: name } })),
  },
  { weight: 1, arbitrary: fc.constant('{"op":"start"}') },
  {
    weight: 1,
    arbitrary: fc.constantFrom(GOOD, OTHER).map((token) => JSON.stringify({ op: 'token', data: { token } })),
  },
)
const argument = fc.oneof(
  fc.constantFrom(
    '{"event_name":"foo"}',
    '{"token":"good"}',
    '{"payload":1,"payload":{"a":[2]}}',
    '{"__proto__":{"payload":1}}',
  ),
  fc
    .tuple(fc.constantFrom('event_name', 'token', 'payload', '__proto__'), oddJson)
    .map((member) => objectText([member])),
  oddJson,
)
/** Objects with `op` and `data` of any kind, in any number. */
const nearlyAnOp = fc
  .array(
    fc.oneof(
      fc.tuple(
        fc.constant('op'),
        fc.oneof(fc.constantFrom('"ping"', '"subscribe"', '"start"', '"token"'), oddJson),
      ),
      fc.tuple(fc.constant('data'), argument),
      fc.tuple(oddName, oddJson),
    ),
    { maxLength: 4 },
  )
  .map(objectText)
const text = fc.oneof(
  { weight: 120, arbitrary: op },
  { weight: 2, arbitrary: nearlyAnOp },
  { weight: 1, arbitrary: oddJson },
  { weight: 1, arbitrary: fc.constantFrom('\ufeff{"op":"start"}', '{"op":"start"} ', '', ' ') },
)

const ping = fc
  .tuple(fc.constantFrom(9, 10), noise(125))
  .map(([opcode, payload]) => clientFrame(payload, { opcode }))

const message: fc.Arbitrary<Piece> = fc
  .record({
    text,
    binary: fc.constantFrom(...Array<boolean>(150).fill(false), true),
    fragments: fc.oneof(
      { weight: 5, arbitrary: fc.constant(1) },
      { weight: 1, arbitrary: fc.integer({ min: 2, max: 16 }) },
    ),
    between: ping,
  })
  .map(({ text, binary, fragments, between }) => {
    const content = Buffer.from(text)
    const frames = fragmented(content, binary ? 2 : 1, fragments).flatMap((frame, i) =>
      i === 1 ? [between, frame] : [frame],
    )
    return { kind: 'message', bytes: Buffer.concat(frames), frames: frames.length, content, binary }
  })

function fragmented(content: Buffer, opcode: number, count: number): Buffer[] {
  const size = Math.ceil(content.length / count)
  return Array.from({ length: count }, (_, i) =>
    clientFrame(content.subarray(i * size, (i + 1) * size), {
      opcode: i === 0 ? opcode : 0,
      fin: i === count - 1,
    }),
  )
}

const close: fc.Arbitrary<Piece> = fc
  .tuple(fc.constantFrom(1000, 1001, 1003, 1011, 3000, 4001, 4999), fc.string({ maxLength: 30 }))
  .map(([code, reason]) => ({
    kind: 'close',
    bytes: clientFrame(Buffer.concat([uint16(code), Buffer.from(reason)]), { opcode: 8 }),
    frames: 1,
    code,
  }))

const malformed: fc.Arbitrary<Piece> = fc
  .oneof(
    fc.integer({ min: 1, max: 7 }).map((rsv) => clientFrame('{}', { rsv })),
    fc.constantFrom(3, 4, 5, 6, 7, 11, 12, 13, 14, 15).map((opcode) => clientFrame('{}', { opcode })),
    fc.constantFrom(1, 2, 8, 9, 10).map((opcode) => clientFrame('', { opcode, masked: false })),
    fc.constantFrom(8, 9, 10).map((opcode) => clientFrame('', { opcode, fin: false })),
    fc.constantFrom(8, 9, 10).map((opcode) => clientFrame('x'.repeat(126), { opcode })),
    fc
      .constantFrom(0, 999, 1004, 1005, 1006, 1015, 2999, 5000)
      .map((code) => clientFrame(uint16(code), { opcode: 8 })),
    fc.constantFrom(clientFrame('x', { opcode: 8 }), clientFrame('{}', { opcode: 0 })),
    fc
      .constantFrom('c3', 'ff', 'eda080', 'f4908080', 'c0af')
      .map((hex) => clientFrame(Buffer.from(hex, 'hex'))),
    fc.integer({ min: 1, max: 40 }).map((over) => clientFrame('x'.repeat(MESSAGE_BYTES_MAX + over))),
    fc.integer({ min: 17, max: 40 }).map((count) => Buffer.concat(fragmented(Buffer.alloc(count), 1, count))),
    fc.constant(Buffer.concat([clientFrame('{', { fin: false }), clientFrame('}')])),
  )
  .map((bytes) => ({ kind: 'malformed', bytes, frames: 1 }))

const raw: fc.Arbitrary<Piece> = fc
  .oneof(
    noise(300, 1),
    damaged(
      text.map((t) => clientFrame(t)),
      4,
    ),
    fc
      .tuple(fc.constantFrom(126, 127), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.nat(255))
      .map(lyingLength),
  )
  .map((bytes) => ({ kind: 'raw', bytes, frames: 1 }))

/** The head of a frame whose payload is not what it says. */
function lyingLength([short, length, first]: readonly [number, bigint, number]): Buffer {
  const long = Buffer.alloc(8)
  long.writeBigUInt64BE(length)
  return Buffer.concat([
    Buffer.of(first, 0x80 | short),
    short === 126 ? long.subarray(6) : long,
    Buffer.from('abcdefgh'),
  ])
}

function uint16(value: number): Buffer {
  return Buffer.of(value >> 8, value & 0xff)
}

const served = fc.oneof(
  { weight: 12, arbitrary: message },
  { weight: 2, arbitrary: ping.map((bytes): Piece => ({ kind: 'control', bytes, frames: 1 })) },
)
const last = fc.oneof(malformed, raw, close, served)
const stream: fc.Arbitrary<Stream> = fc
  .record({
    version: fc.constantFrom(1, 2),
    pieces: fc.oneof(
      {
        weight: 5,
        arbitrary: fc
          .tuple(fc.array(served, { maxLength: 60, size: 'max' }), last)
          .map(([before, end]) => [...before, end]),
      },
      { weight: 1, arbitrary: fc.array(fc.oneof(served, malformed, raw, close), { maxLength: 20 }) },
    ),
    writes: fc.oneof(
      { weight: 3, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: fc.array(fc.integer({ min: 1, max: 400 }), { maxLength: 5 }) },
    ),
  })
  .map((made) => made as Stream)

/** What the session has to answer, by PROTOCOL.md, and how it has to end. */
interface Expected {
  readonly replies: readonly string[]
  /** Codes of which one has to come; none: it has to serve on. */
  readonly codes: ReadonlySet<number>
  /** The parser of frames ends it, maybe before the ops that came first are done. */
  readonly abrupt: boolean
  /** Bytes that are no frames: they may make up anything. */
  readonly open: boolean
}

function expectedOf({ version, pieces }: Stream): Expected {
  const end = pieces.find(({ kind }) => kind === 'close' || kind === 'malformed' || kind === 'raw')
  const before = end === undefined ? pieces : pieces.slice(0, pieces.indexOf(end))
  const messages = before.flatMap((piece) => (piece.kind === 'message' ? [piece] : []))
  const { replies, code } = answersTo(version, messages)
  const ends = end?.kind === 'raw' ? pieces : before.concat(end ?? [])
  const codes = [...(code === null ? [] : [code]), ...ends.flatMap(codesOf)]
  return { replies, codes: new Set(codes), abrupt: end !== undefined, open: end?.kind === 'raw' }
}

function codesOf(piece: Piece): readonly number[] {
  if (piece.kind === 'close') return [piece.code]
  return piece.kind === 'malformed' ? [...MALFORMED] : []
}

/** What a session of this version answers, and the code with which one of the messages ends it, if one does. */
function answersTo(version: 1 | 2, messages: readonly Message[]): { replies: string[]; code: number | null } {
  const replies = [`{"op":"init","code":0,"data":{"version":${version}}}`]
  let started = false
  for (const { content, binary } of messages) {
    const op = readOp(content, binary)
    if (op.op === 'fault') return { replies, code: 4004 }
    if (op.op === 'subscribe' && Buffer.byteLength(op.name) > EVENT_NAME_BYTES_MAX)
      return { replies, code: 1008 }
    if (op.op === 'token' && op.token !== GOOD && op.token !== OTHER) return { replies, code: 4002 }
    if (op.op === 'ping') replies.push(`{"op":"pong","code":0,"data":{"payload":${op.payload}}}`)
    else if (version === 2 || !started) replies.push(`{"op":"${op.op}","code":0,"data":null}`)
    started ||= op.op === 'start'
  }
  return { replies, code: null }
}

/** A client on raw TCP, and what it has received. */
class Client {
  readonly texts: string[] = []
  code: number | null = null
  ended = false
  private readonly socket: Socket
  private head = ''
  private wake: () => void = () => undefined
  private readonly reader = new FrameReader((kind, bytes, from, to) => {
    if (kind === TEXT) this.texts.push(bytes.toString('utf8', from, to))
    else if (kind === CLOSE) this.code ??= closeCodeOf(bytes, from, to)
    else if (kind === PING) this.write(clientFrame(bytes.subarray(from, to), { opcode: PONG_OPCODE }))
  })

  constructor(port: number, version: 1 | 2) {
    this.socket = connect(port, '127.0.0.1')
    this.socket.setNoDelay(true)
    this.socket.on('data', (bytes: Buffer) => this.receive(bytes))
    this.socket.on('error', () => undefined)
    this.socket.on('close', () => {
      this.ended = true
      this.wake()
    })
    this.socket.write(
      `GET /?token=${GOOD}&version=${version} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    )
  }

  write(bytes: Buffer): void {
    this.socket.write(bytes)
  }

  /** Sends no more. */
  finish(): void {
    this.socket.end()
  }

  /** Ends the connection without a word. */
  reset(): void {
    this.socket.resetAndDestroy()
  }

  /** Resolves with false when the condition did not come to hold in time. */
  async until(condition: () => boolean): Promise<boolean> {
    const deadline = performance.now() + ANSWERED_MS_MAX
    while (!condition() && performance.now() < deadline)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ANSWERED_MS_MAX)
        this.wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    return condition()
  }

  private receive(bytes: Buffer): void {
    if (this.head.endsWith('\r\n\r\n')) this.reader.push(bytes)
    else {
      this.head += bytes.toString('latin1')
      const end = this.head.indexOf('\r\n\r\n')
      if (end >= 0) {
        this.reader.push(Buffer.from(this.head.slice(end + 4), 'latin1'))
        this.head = '\r\n\r\n'
      }
    }
    this.wake()
  }
}

class SocketPort implements Subject<Stream> {
  readonly outcomes = new Tally()
  private readonly edge: Edge
  private readonly honest: Client
  private pings = 0

  constructor(edge: Edge) {
    this.edge = edge
    edge.auth.mint(OTHER, { tenantUuid: 'tenant-2' })
    this.honest = new Client(edge.port, 2)
  }

  async take(stream: Stream): Promise<number> {
    const expected = expectedOf(stream)
    const client = new Client(this.edge.port, stream.version)
    this.send(client, stream)
    const serves = expected.codes.size === 0 && !expected.open
    const probe = '{"op":"pong","code":0,"data":{"payload":"the end"}}'
    if (serves) client.write(clientFrame('{"op":"ping","data":{"payload":"the end"}}'))
    else if (expected.open) client.finish()
    const over = () =>
      client.ended || (!expected.open && client.code !== null) || client.texts.at(-1) === probe
    const inTime = await client.until(over)
    client.reset()
    hold(inTime, `neither an answer nor an end within ${ANSWERED_MS_MAX} ms`)
    if (serves) hold(client.texts.pop() === probe, `ended with ${client.code} in place of an answer`)
    judge(client, expected)
    this.outcomes.add(serves ? 'served' : `code ${client.code ?? 'none'}`)
    return stream.pieces.reduce((sum, { frames }) => sum + frames, 0)
  }

  /** The honest session is served, and nothing is left of the others. */
  async settle(): Promise<void> {
    const { edge, honest } = this
    const payload = `honest ${++this.pings}`
    honest.write(clientFrame(JSON.stringify({ op: 'ping', data: { payload } })))
    hold(
      await honest.until(() => honest.texts.at(-1)?.includes(payload) === true),
      'another session gets no pong',
    )
    honest.texts.length = 0
    const left = () => [
      edge.host.connections.size,
      edge.watch.open,
      edge.bus.openLeases + 1,
      edge.registry.recipients.size + 1,
    ]
    await waitFor(() => left().every((count) => count === 1), { timeoutMs: ANSWERED_MS_MAX }).catch(() => {
      throw new Error(`left behind: connections, watches, leases, index entries: ${left().join()}`)
    })
    edge.forget()
  }

  async close(): Promise<void> {
    this.honest.reset()
    await this.edge.stop()
  }

  private send(client: Client, { pieces, writes }: Stream): void {
    let rest = Buffer.concat(pieces.map(({ bytes }) => bytes))
    for (const size of writes) {
      client.write(rest.subarray(0, size))
      rest = rest.subarray(size)
    }
    client.write(rest)
  }
}

function judge({ texts, code }: Client, { replies, codes, abrupt, open }: Expected): void {
  if (open) {
    hold(code === null || FROM_ANY_BYTES.has(code) || codes.has(code), `closed with ${code}`)
    return
  }
  const wanted = abrupt ? replies.slice(0, texts.length) : replies
  hold(
    JSON.stringify(texts) === JSON.stringify(wanted),
    () => `answered ${JSON.stringify(texts)}, not ${JSON.stringify(replies)}`,
  )
  hold(code === null ? codes.size === 0 : codes.has(code), `closed with ${code}, not ${[...codes].join()}`)
}

export const frames: Area<Stream> = {
  name: 'frames',
  unit: 'client frames',
  total: 1_000_000,
  inputs: stream,
  open: async () =>
    new SocketPort(await new Edge({ sessionLimits: { opsPerSecond: 1_000, opsBurst: 1_000 } }).listen()),
}
