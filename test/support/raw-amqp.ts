/**
 * As much of AMQP 0-9-1 as it takes to publish with a table of headers that no client library would write: a name
 * twice, and values of any type. Everything is confirmed.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/** A name and the bytes of its value, type included. */
export type Field = readonly [name: string, value: Buffer]

const FRAME_END = 0xce
const [METHOD, HEADER, BODY] = [1, 2, 3]
/** Of the properties: only headers. */
const HEADERS_FLAG = 0x2000

const START = 0x000a_000a
const START_OK = 0x000a_000b
const TUNE = 0x000a_001e
const TUNE_OK = 0x000a_001f
const OPEN = 0x000a_0028
const OPEN_OK = 0x000a_0029
const CHANNEL_OPEN = 0x0014_000a
const CHANNEL_OPEN_OK = 0x0014_000b
const PUBLISH = 0x003c_0028
const ACK = 0x003c_0050
const CONFIRM_SELECT = 0x0055_000a
const CONFIRM_SELECT_OK = 0x0055_000b

export class RawPublisher {
  private readonly socket: Socket
  private received = Buffer.alloc(0)

  private constructor(socket: Socket) {
    this.socket = socket
  }

  /** Connects to the virtual host of an AMQP URL. */
  static async open(amqpUrl: string): Promise<RawPublisher> {
    const { hostname, port, username, password, pathname } = new URL(amqpUrl)
    const socket = connect(Number(port), hostname)
    await once(socket, 'connect')
    const raw = new RawPublisher(socket)
    socket.write(Buffer.concat([Buffer.from('AMQP'), Buffer.from([0, 0, 9, 1])]))
    await raw.expect(START)
    const login = longString(`\0${username}\0${password}`)
    raw.call(0, START_OK, table([]), shortString('PLAIN'), login, shortString('en_US'))
    raw.call(0, TUNE_OK, (await raw.expect(TUNE)).subarray(0, 6), uint16(0))
    raw.call(0, OPEN, shortString(decodeURIComponent(pathname.slice(1))), shortString(''), Buffer.from([0]))
    await raw.expect(OPEN_OK)
    raw.call(1, CHANNEL_OPEN, shortString(''))
    await raw.expect(CHANNEL_OPEN_OK)
    raw.call(1, CONFIRM_SELECT, Buffer.from([0]))
    await raw.expect(CONFIRM_SELECT_OK)
    return raw
  }

  /** Resolves when the broker has it. */
  async publish(
    exchange: string,
    routingKey: string,
    headers: readonly Field[],
    body: Buffer,
  ): Promise<void> {
    this.call(1, PUBLISH, uint16(0), shortString(exchange), shortString(routingKey), Buffer.from([0]))
    const size = Buffer.alloc(8)
    size.writeBigUInt64BE(BigInt(body.length))
    this.frame(HEADER, 1, uint16(PUBLISH >>> 16), uint16(0), size, uint16(HEADERS_FLAG), table(headers))
    this.frame(BODY, 1, body)
    await this.expect(ACK)
  }

  close(): void {
    this.socket.destroy()
  }

  private call(channel: number, method: number, ...args: readonly Buffer[]): void {
    this.frame(METHOD, channel, uint32(method), ...args)
  }

  private frame(type: number, channel: number, ...parts: readonly Buffer[]): void {
    const payload = Buffer.concat(parts)
    const head = Buffer.concat([Buffer.from([type]), uint16(channel), uint32(payload.length)])
    this.socket.write(Buffer.concat([head, payload, Buffer.from([FRAME_END])]))
  }

  /** The arguments of the next method, which has to be this one. */
  private async expect(method: number): Promise<Buffer> {
    for (;;) {
      const length = this.received.length < 7 ? Infinity : this.received.readUInt32BE(3) + 8
      if (this.received.length >= length) {
        const payload = this.received.subarray(7, length - 1)
        this.received = this.received.subarray(length)
        const got = payload.readUInt32BE(0)
        if (got !== method)
          throw new Error(`expected method ${method}, got ${got}: ${payload.toString('latin1')}`)
        return payload.subarray(4)
      }
      const [bytes] = (await once(this.socket, 'data')) as [Buffer]
      this.received = Buffer.concat([this.received, bytes])
    }
  }
}

/** The values of a table's fields. */
export const field = {
  string: (text: string): Buffer => Buffer.concat([Buffer.from('S'), longString(text)]),
  long(value: number): Buffer {
    const bytes = Buffer.alloc(9)
    bytes.write('l')
    bytes.writeBigInt64BE(BigInt(value), 1)
    return bytes
  },
  boolean: (value: boolean): Buffer => Buffer.from([0x74, value ? 1 : 0]),
  nothing: (): Buffer => Buffer.from('V'),
  bytes: (value: Buffer): Buffer => Buffer.concat([Buffer.from('x'), uint32(value.length), value]),
  text: (value: Buffer): Buffer => Buffer.concat([Buffer.from('S'), uint32(value.length), value]),
  table: (fields: readonly Field[]): Buffer => Buffer.concat([Buffer.from('F'), table(fields)]),
  array(values: readonly Buffer[]): Buffer {
    const bytes = Buffer.concat(values)
    return Buffer.concat([Buffer.from('A'), uint32(bytes.length), bytes])
  },
  /** A value of a type with a fixed number of bytes, all of them given. */
  fixed: (type: keyof typeof FIXED_BYTES, bytes: Buffer): Buffer =>
    Buffer.concat([Buffer.from(type), bytes.subarray(0, FIXED_BYTES[type])]),
} as const

/** The types of RabbitMQ's tables that have a fixed size: integers, floats, decimal, timestamp, boolean. */
export const FIXED_BYTES = {
  ...{ b: 1, B: 1, t: 1, s: 2, u: 2, I: 4, i: 4, f: 4, D: 5, l: 8, d: 8, T: 8 },
} as const

/** The bytes of a table, with its length in front. */
export function table(fields: readonly Field[]): Buffer {
  const bytes = Buffer.concat(fields.flatMap(([name, value]) => [shortString(name), value]))
  return Buffer.concat([uint32(bytes.length), bytes])
}

function shortString(text: string): Buffer {
  return Buffer.concat([Buffer.from([Buffer.byteLength(text)]), Buffer.from(text)])
}

function longString(text: string): Buffer {
  return Buffer.concat([uint32(Buffer.byteLength(text)), Buffer.from(text)])
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(value)
  return bytes
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
