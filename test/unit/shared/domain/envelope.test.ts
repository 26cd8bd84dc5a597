import {
  type Batch,
  decode,
  encodeBatch,
  encodeState,
  ENVELOPE_VERSION,
  EnvelopeError,
  type SealedBatch,
} from '@wazo-websocketd/shared/domain/envelope'
import type { BusEvent } from '@wazo-websocketd/shared/domain/event'
import type { Epoch } from '@wazo-websocketd/shared/domain/position'
import { expect } from 'chai'
import fc from 'fast-check'

const epoch = '0f3c8e1a' as Epoch

const event: BusEvent = {
  offset: 2 ** 40 + 7,
  name: 'call_created',
  tenant: 'tenant-1',
  everyone: false,
  users: ['user-1', 'user-2'],
  requiredAcl: 'events.calls.user-1',
  revokedSession: null,
  revocationOnly: false,
  receivedAt: 1_790_000_000_123.5,
  body: Buffer.from('{"data":12345678901234567890}'),
}

function sealed(bytes: Uint8Array): SealedBatch {
  const message = decode(bytes)
  if (message.kind !== 'batch') throw new Error(`a ${message.kind}`)
  return message
}

function bodies(events: readonly BusEvent[]): string[] {
  return events.map((e) => Buffer.from(e.body).toString('latin1'))
}

const text = fc.string({ unit: 'grapheme', maxLength: 20 })
const someEvent: fc.Arbitrary<BusEvent> = fc.record({
  offset: fc.maxSafeNat(),
  name: text,
  tenant: fc.option(text),
  everyone: fc.boolean(),
  users: fc.array(text, { maxLength: 4 }),
  requiredAcl: fc.option(text),
  revokedSession: fc.option(text),
  revocationOnly: fc.boolean(),
  receivedAt: fc.double({ noNaN: true, noDefaultInfinity: true }),
  body: fc.uint8Array({ maxLength: 2_000 }),
})
const someBatch: fc.Arbitrary<Omit<Batch, 'kind'>> = fc.record({
  epoch: text.map((t) => t as Epoch),
  prev: fc.maxSafeNat(),
  last: fc.maxSafeNat(),
  events: fc.array(someEvent, { maxLength: 6 }),
})

describe('envelope: a batch', () => {
  it('comes back as it was sent', () => {
    fc.assert(
      fc.property(someBatch, (batch) => {
        const back = sealed(encodeBatch(batch))
        expect(back).to.include({
          epoch: batch.epoch,
          prev: batch.prev,
          last: batch.last,
          count: batch.events.length,
        })
        const events = back.open()
        expect(bodies(events)).to.deep.equal(bodies(batch.events))
        const bare = (list: readonly BusEvent[]) => list.map((e) => ({ ...e, body: null }))
        expect(bare(events)).to.deep.equal(bare(batch.events))
      }),
    )
  })

  it('tells null from the empty string', () => {
    for (const value of [null, '']) {
      const sent = { ...event, tenant: value, requiredAcl: value, revokedSession: value }
      const [back] = sealed(encodeBatch({ epoch, prev: 0, last: 1, events: [sent] })).open()
      expect(back).to.include({ tenant: value, requiredAcl: value, revokedSession: value })
    }
  })

  it('can be empty, and can be read from the middle of a buffer', () => {
    const bytes = encodeBatch({ epoch, prev: 5, last: 9, events: [] })
    const inside = Buffer.concat([Buffer.from('xx'), bytes, Buffer.from('yy')]).subarray(2, 2 + bytes.length)
    expect(sealed(inside)).to.include({ prev: 5, last: 9, count: 0 })
    expect(sealed(inside).open()).to.deep.equal([])
  })

  it('keeps a byte-order mark in a name', () => {
    const [back] = sealed(
      encodeBatch({ epoch, prev: 0, last: 1, events: [{ ...event, name: '\ufeffx' }] }),
    ).open()
    expect(back!.name).to.equal('\ufeffx')
  })

  it('has the documented layout', () => {
    const bytes = Buffer.from(encodeBatch({ epoch: 'e' as Epoch, prev: 1, last: 2 ** 32 + 2, events: [] }))
    expect(bytes.toString('hex')).to.equal(
      '0101' + '0000000165' + '0000000000000001' + '0000000100000002' + '00000000',
    )
  })
})

describe('envelope: a state', () => {
  it('comes back as it was sent', () => {
    for (const state of ['up', 'catching-up', 'down'] as const)
      for (const heads of [[], [7], [0, 2 ** 50]]) {
        const sent = { ingest: 'host:1', epoch, state, heads }
        expect(decode(encodeState(sent))).to.deep.equal({ kind: 'state', ...sent })
        expect(decode(encodeState({ ...sent, epoch: null }))).to.include({ epoch: null })
      }
  })

  it('is refused with a state that this program does not know', () => {
    const bytes = encodeState({ ingest: '', epoch: null, state: 'up', heads: [] })
    bytes[2 + 4 + 4] = 9
    expect(() => decode(bytes)).to.throw(EnvelopeError, 'unknown state')
  })
})

describe('envelope: bytes that are not one', () => {
  it('names the version that it cannot read', () => {
    const bytes = encodeBatch({ epoch, prev: 0, last: 1, events: [event] })
    bytes[0] = ENVELOPE_VERSION + 1
    expect(() => decode(bytes)).to.throw(EnvelopeError, `version ${ENVELOPE_VERSION + 1}`)
  })

  it('names the kind that it does not know', () => {
    expect(() => decode(Uint8Array.of(ENVELOPE_VERSION, 9))).to.throw(EnvelopeError, 'kind of envelope: 9')
  })

  it('are refused with a flag of an event that it does not know: it may narrow who gets it', () => {
    const empty = encodeBatch({ epoch, prev: 0, last: 1, events: [] })
    for (const flag of [32, 64, 128]) {
      const bytes = encodeBatch({ epoch, prev: 0, last: 1, events: [event] })
      bytes[empty.length + 8 + 8]! |= flag
      expect(() => sealed(bytes).open()).to.throw(EnvelopeError, `unknown flags of an event: ${flag}`)
    }
  })

  it('are refused when cut off anywhere, or when something follows', () => {
    const batch = encodeBatch({ epoch, prev: 0, last: 1, events: [event] })
    for (let length = 0; length < batch.length; length++)
      expect(() => sealed(batch.subarray(0, length)).open(), `${length} bytes`).to.throw(EnvelopeError)
    expect(() => sealed(Buffer.concat([batch, Buffer.from('x')])).open()).to.throw(EnvelopeError, 'trailing')
    const state = encodeState({ ingest: 'a', epoch, state: 'up', heads: [1] })
    for (let length = 0; length < state.length; length++)
      expect(() => decode(state.subarray(0, length)), `${length} bytes`).to.throw(EnvelopeError)
    expect(() => decode(Buffer.concat([state, Buffer.from('x')]))).to.throw(EnvelopeError, 'trailing')
  })

  it('are refused with a number that no ingest writes: readers compute with it', () => {
    const empty = encodeBatch({ epoch, prev: 0, last: 1, events: [] })
    const time = (value: number) =>
      encodeBatch({ epoch, prev: 0, last: 1, events: [{ ...event, receivedAt: value }] })
    for (const value of [NaN, Infinity, -Infinity])
      expect(() => sealed(time(value)).open(), String(value)).to.throw(EnvelopeError, 'a time')
    const offset = time(0)
    offset.fill(0xff, empty.length, empty.length + 8)
    expect(() => sealed(offset).open()).to.throw(EnvelopeError, 'an offset')
    for (const at of [2 + 4 + epoch.length, 2 + 4 + epoch.length + 8]) {
      const range = empty.slice()
      range[at] = 0x7f
      expect(() => decode(range), `byte ${at}`).to.throw(EnvelopeError, 'an offset')
    }
  })

  it('are refused with a text that is not UTF-8, as no ingest writes it', () => {
    const bytes = encodeBatch({ epoch, prev: 0, last: 1, events: [{ ...event, body: Buffer.from('x') }] })
    const name = Buffer.from(bytes).indexOf('call_created')
    bytes[name] = 0xff
    expect(() => sealed(bytes).open()).to.throw(EnvelopeError, 'UTF-8')
  })
})
