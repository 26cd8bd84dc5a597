/**
 * The bytes that travel through Redis: a version byte, a kind byte, then a batch or a state.
 *
 * Integers are big-endian; a string is a 32-bit length and UTF-8. A reader refuses a version that it does
 * not know; docs/adr/0003-envelope.md and 0010-old-and-new-side-by-side.md say how the format may change.
 */
import type { BusEvent } from './event.js'
import type { Epoch, Offset } from './position.js'

export const ENVELOPE_VERSION = 1

const KIND_BATCH = 1
const KIND_STATE = 2

const FLAG_TENANT = 1
const FLAG_EVERYONE = 2
const FLAG_ACL = 4
const FLAG_REVOKED = 8
const FLAG_REVOCATION_ONLY = 16
const FLAGS = FLAG_TENANT | FLAG_EVERYONE | FLAG_ACL | FLAG_REVOKED | FLAG_REVOCATION_ONLY

const INGEST_STATES = ['down', 'catching-up', 'up'] as const

/** What an ingest says of itself once a second, outside the sequence. */
export type IngestState = (typeof INGEST_STATES)[number]

/** Events of the stream in the range `prev < offset <= last`; offsets without an event were dropped. */
export interface Batch {
  readonly kind: 'batch'
  readonly epoch: Epoch
  readonly prev: Offset
  readonly last: Offset
  readonly events: readonly BusEvent[]
}

/** State of one ingest, with the head of every partition by its knowledge (empty: none known). */
export interface StateMessage {
  readonly kind: 'state'
  readonly ingest: string
  readonly epoch: Epoch | null
  readonly state: IngestState
  readonly heads: readonly Offset[]
}

/** A batch whose events have not been decoded yet. */
export interface SealedBatch extends Omit<Batch, 'events'> {
  readonly count: number
  /** Decodes the events. Throws EnvelopeError when the bytes are malformed. */
  open(): BusEvent[]
}

/** Says that bytes are not an envelope that this program reads. The message says which version it met. */
export class EnvelopeError extends Error {
  override name = 'EnvelopeError'
}

const ASCII_MAX = 0x7f
/** Version, kind, prev, last, number of events, length of the epoch. */
const BATCH_FIXED_BYTES = 26
/** Offset, time, flags, number of users, lengths of name and body. */
const EVENT_FIXED_BYTES = 29
const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true })

/** Gives memory whose content does not matter. */
export type Allocate = (bytes: number) => Uint8Array

const allocateZeros: Allocate = (bytes) => new Uint8Array(bytes)

/** Writes the fields of an envelope into one buffer. */
class Writer {
  private readonly allocate: Allocate
  private bytes: Uint8Array
  private view: DataView
  private at = 0

  constructor(sizeHint: number, allocate: Allocate) {
    this.allocate = allocate
    this.bytes = allocate(sizeHint)
    this.view = viewOf(this.bytes)
  }

  private room(bytes: number): number {
    const at = this.at
    if (at + bytes > this.bytes.length) {
      const grown = this.allocate(Math.max(this.bytes.length * 2, at + bytes))
      grown.set(this.bytes)
      this.bytes = grown
      this.view = viewOf(grown)
    }
    this.at = at + bytes
    return at
  }

  u8(value: number): void {
    const at = this.room(1) // first: it may replace the buffer
    this.view.setUint8(at, value)
  }

  u32(value: number): void {
    const at = this.room(4)
    this.view.setUint32(at, value)
  }

  offset(value: Offset): void {
    const at = this.room(8)
    this.view.setUint32(at, Math.floor(value / 2 ** 32))
    this.view.setUint32(at + 4, value % 2 ** 32)
  }

  f64(value: number): void {
    const at = this.room(8)
    this.view.setFloat64(at, value)
  }

  blob(value: Uint8Array): void {
    this.u32(value.length)
    const at = this.room(value.length)
    this.bytes.set(value, at)
  }

  /** Names, uuids and ACLs are short and nearly always ASCII: the encoder's call costs more than their bytes. */
  string(value: string): void {
    const { length } = value
    const start = this.at
    const at = this.room(4 + length)
    this.view.setUint32(at, length)
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i)
      if (code > ASCII_MAX) {
        this.at = start
        this.blob(encoder.encode(value))
        return
      }
      this.bytes[at + 4 + i] = code
    }
  }

  finish(): Uint8Array {
    return this.bytes.subarray(0, this.at)
  }
}

/** Reads the fields of an envelope one after the other. */
class Reader {
  private readonly view: DataView
  private readonly bytes: Uint8Array
  at: number

  constructor(bytes: Uint8Array, at = 0) {
    this.bytes = bytes
    this.at = at
    this.view = viewOf(bytes)
  }

  private take(bytes: number): number {
    const at = this.at
    if (at + bytes > this.bytes.length) throw new EnvelopeError('truncated envelope')
    this.at = at + bytes
    return at
  }

  u8(): number {
    return this.view.getUint8(this.take(1))
  }

  u32(): number {
    return this.view.getUint32(this.take(4))
  }

  offset(): Offset {
    const at = this.take(8)
    const offset = this.view.getUint32(at) * 2 ** 32 + this.view.getUint32(at + 4)
    if (!Number.isSafeInteger(offset)) throw new EnvelopeError('an offset that is too large')
    return offset
  }

  /** Milliseconds of Unix time. Latencies are computed from it, and a metric that is not a number would end the worker. */
  time(): number {
    const time = this.view.getFloat64(this.take(8))
    if (!Number.isFinite(time)) throw new EnvelopeError('a time that is no number')
    return time
  }

  blob(): Uint8Array {
    const length = this.u32()
    const at = this.take(length)
    return this.bytes.subarray(at, at + length)
  }

  string(): string {
    const bytes = this.blob()
    try {
      return decoder.decode(bytes)
    } catch {
      throw new EnvelopeError('a text that is not UTF-8')
    }
  }

  end(): void {
    if (this.at !== this.bytes.length) throw new EnvelopeError('trailing bytes in envelope')
  }
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength)
}

function writeEvent(out: Writer, event: BusEvent): void {
  out.offset(event.offset)
  out.f64(event.receivedAt)
  out.u8(
    (event.tenant === null ? 0 : FLAG_TENANT) |
      (event.everyone ? FLAG_EVERYONE : 0) |
      (event.requiredAcl === null ? 0 : FLAG_ACL) |
      (event.revokedSession === null ? 0 : FLAG_REVOKED) |
      (event.revocationOnly ? FLAG_REVOCATION_ONLY : 0),
  )
  out.string(event.name)
  if (event.tenant !== null) out.string(event.tenant)
  out.u32(event.users.length)
  for (const user of event.users) out.string(user)
  if (event.requiredAcl !== null) out.string(event.requiredAcl)
  if (event.revokedSession !== null) out.string(event.revokedSession)
  out.blob(event.body)
}

function readEvent(from: Reader): BusEvent {
  const offset = from.offset()
  const receivedAt = from.time()
  const flags = from.u8()
  // One that is not known may narrow who gets the event, or announce a field.
  if ((flags & ~FLAGS) !== 0) throw new EnvelopeError(`unknown flags of an event: ${flags & ~FLAGS}`)
  const name = from.string()
  const tenant = flags & FLAG_TENANT ? from.string() : null
  const userCount = from.u32()
  const users: string[] = []
  for (let i = 0; i < userCount; i++) users.push(from.string())
  const requiredAcl = flags & FLAG_ACL ? from.string() : null
  const revokedSession = flags & FLAG_REVOKED ? from.string() : null
  const body = from.blob()
  return {
    offset,
    name,
    tenant,
    everyone: (flags & FLAG_EVERYONE) !== 0,
    users,
    requiredAcl,
    revokedSession,
    revocationOnly: (flags & FLAG_REVOCATION_ONLY) !== 0,
    receivedAt,
    body,
  }
}

/** What an event takes in a batch, in bytes, if all of its text is ASCII. */
export function eventBytes({ name, tenant, users, requiredAcl, revokedSession, body }: BusEvent): number {
  let size = EVENT_FIXED_BYTES + name.length + body.length
  for (const text of [tenant, requiredAcl, revokedSession]) if (text !== null) size += 4 + text.length
  for (const user of users) size += 4 + user.length
  return size
}

/**
 * The bytes of a batch: what is appended to the log and published.
 * @param allocate - Where zeros in memory that is written at once cost too much.
 */
export function encodeBatch(batch: Omit<Batch, 'kind'>, allocate = allocateZeros): Uint8Array {
  let size = BATCH_FIXED_BYTES + batch.epoch.length
  for (const event of batch.events) size += eventBytes(event)
  const out = new Writer(size, allocate)
  out.u8(ENVELOPE_VERSION)
  out.u8(KIND_BATCH)
  out.string(batch.epoch)
  out.offset(batch.prev)
  out.offset(batch.last)
  out.u32(batch.events.length)
  for (const event of batch.events) writeEvent(out, event)
  return out.finish()
}

/** The bytes of a state message. */
export function encodeState(state: Omit<StateMessage, 'kind'>): Uint8Array {
  const out = new Writer(128, allocateZeros)
  out.u8(ENVELOPE_VERSION)
  out.u8(KIND_STATE)
  out.string(state.ingest)
  out.string(state.epoch ?? '')
  out.u8(INGEST_STATES.indexOf(state.state))
  out.u32(state.heads.length)
  for (const head of state.heads) out.offset(head)
  return out.finish()
}

/**
 * Reads one message of the live channel or one entry of the log. Only the range of a batch is decoded;
 * its events are when `open` is called, so that a duplicate costs next to nothing.
 * @throws EnvelopeError on an unknown version or malformed bytes.
 */
export function decode(bytes: Uint8Array): SealedBatch | StateMessage {
  const from = new Reader(bytes)
  const version = from.u8()
  if (version !== ENVELOPE_VERSION)
    throw new EnvelopeError(`envelope version ${version}: this program reads version ${ENVELOPE_VERSION}`)
  const kind = from.u8()
  if (kind === KIND_STATE) return readState(from)
  if (kind !== KIND_BATCH) throw new EnvelopeError(`unknown kind of envelope: ${kind}`)
  return readBatch(from, bytes)
}

function readState(from: Reader): StateMessage {
  const ingest = from.string()
  const epoch = from.string()
  const state = INGEST_STATES[from.u8()]
  if (state === undefined) throw new EnvelopeError('unknown state of an ingest')
  const count = from.u32()
  const heads: Offset[] = []
  for (let i = 0; i < count; i++) heads.push(from.offset())
  from.end()
  return { kind: 'state', ingest, epoch: epoch === '' ? null : (epoch as Epoch), state, heads }
}

function readBatch(from: Reader, bytes: Uint8Array): SealedBatch {
  const epoch = from.string() as Epoch
  const prev = from.offset()
  const last = from.offset()
  const count = from.u32()
  const eventsAt = from.at
  return {
    kind: 'batch',
    epoch,
    prev,
    last,
    count,
    open(): BusEvent[] {
      const reader = new Reader(bytes, eventsAt)
      const events: BusEvent[] = []
      for (let i = 0; i < count; i++) events.push(readEvent(reader))
      reader.end()
      return events
    },
  }
}
