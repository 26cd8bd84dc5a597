/** What Redis holds and passes on: envelopes, pages of the log, notices, tickets and jobs, intact and damaged. */
import fc from 'fast-check'
import { decodeExpiryNotice, encodeExpiryNotice } from '@wazo-websocketd/edge/auth/expiry/notice'
import { parseJobData } from '@wazo-websocketd/edge/auth/expiry/job'
import { readPage } from '@wazo-websocketd/edge/bus/page'
import { decodeDrainNotice, encodeDrainNotice } from '@wazo-websocketd/edge/drain/drain-notice'
import { parseRow } from '@wazo-websocketd/edge/drain/ticket'
import {
  decode,
  encodeBatch,
  encodeState,
  EnvelopeError,
  type SealedBatch,
  type StateMessage,
} from '@wazo-websocketd/shared/domain/envelope'
import type { BusEvent } from '@wazo-websocketd/shared/domain/event'
import type { Epoch } from '@wazo-websocketd/shared/domain/position'
import { hold, Tally, type Area, type Subject } from '../area.js'
import { damaged, noise, oddJson, oddName } from '../odd.js'

type Input =
  /** `at`: where a reader of the log stands. */
  | { readonly kind: 'envelope'; readonly bytes: Buffer; readonly at: number }
  | { readonly kind: 'notice'; readonly text: string }
  | { readonly kind: 'row'; readonly row: unknown }
  | { readonly kind: 'job'; readonly text: string }

const EPOCH = 'epoch' as Epoch
const name = fc.oneof(fc.constantFrom('foo', 't1', 'u1', 'x.me', '', 'é', '\u{1f600}'), oddName)
const small = fc.nat(200)
const event: fc.Arbitrary<BusEvent> = fc.record({
  offset: small,
  name,
  tenant: fc.option(name),
  everyone: fc.boolean(),
  users: fc.array(name, { maxLength: 2 }),
  requiredAcl: fc.option(name),
  revokedSession: fc.option(name),
  revocationOnly: fc.boolean(),
  receivedAt: fc.double({ noNaN: true, noDefaultInfinity: true }),
  body: noise(30),
})
const batch = fc
  .record({
    epoch: fc.constantFrom(EPOCH, 'other' as Epoch),
    prev: small,
    last: small,
    events: fc.array(event, { maxLength: 3 }),
  })
  .map((made) => encodeBatch(made))
const state = fc
  .record({
    ingest: name,
    epoch: fc.constantFrom(EPOCH, null),
    state: fc.constantFrom('up', 'catching-up', 'down'),
    heads: fc.array(small, { maxLength: 3 }),
  })
  .map((made) => encodeState(made))
const hash = fc.constantFrom('0'.repeat(64), 'abcdef0123456789'.repeat(4))
const notice = fc.oneof(
  hash,
  fc.tuple(fc.constantFrom('re-check', 'expired'), hash).map(([kind, of]) => `${kind} ${of}`),
)
const cell = fc.oneof(
  fc.constantFrom<unknown>('0', 1, '12', 'epoch', '1e3', '9007199254740993', null, [], {}, Buffer.from('7')),
  fc.integer().map(String),
)
const job = fc
  .record({
    hash: hash.map((text) => JSON.stringify(text)),
    utc_expires_at: fc.oneof(fc.constant('"2026-01-01T00:00:00.000Z"'), oddJson),
    utc_due_at: fc.oneof(fc.constant('"2026-01-01T00:00:00"'), oddJson),
  })
  .map(
    (made) =>
      `{${Object.entries(made)
        .map(([key, value]) => `"${key}":${value}`)
        .join()}}`,
  )

const input: fc.Arbitrary<Input> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('envelope' as const),
      bytes: damaged(fc.oneof({ weight: 3, arbitrary: batch }, { weight: 1, arbitrary: state })),
      at: small,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('envelope' as const), bytes: noise(60), at: small }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('notice' as const),
      text: damaged(
        notice.map((text) => Buffer.from(text)),
        1,
      ).map((bytes) => bytes.toString()),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('row' as const),
      row: fc.oneof(fc.array(cell, { maxLength: 7 }), cell),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('job' as const), text: fc.oneof(job, oddJson) }) },
)

class Readers implements Subject<Input> {
  readonly outcomes = new Tally()

  take(input: Input): number {
    switch (input.kind) {
      case 'envelope':
        this.outcomes.add(envelope(input.bytes, input.at))
        return 1
      case 'notice':
        this.outcomes.add(noticeOf(input.text))
        return 0
      case 'row':
        this.outcomes.add(row(input.row))
        return 0
      case 'job':
        this.outcomes.add(jobOf(input.text))
        return 0
    }
  }
}

/** It is refused, or it is what its own encoding says, byte for byte; and no reader of the log falls over it. */
function envelope(bytes: Buffer, at: number): string {
  const page = { meta: { epoch: EPOCH, head: 150 }, entries: [bytes, bytes] }
  const reading = readPage({ epoch: EPOCH, offset: at }, page, { lastSeen: 0, ceiling: Infinity })
  hold(reading.kind !== 'read' || Number.isSafeInteger(reading.reached), 'a reader of the log ends nowhere')
  let again: Uint8Array
  let kind: string
  try {
    const message = decode(bytes)
    kind = message.kind
    again = encoded(message)
  } catch (error) {
    if (error instanceof EnvelopeError) return 'envelope refused'
    throw error
  }
  hold(
    bytes.equals(again),
    () => `encoded again it is ${Buffer.from(again).toString('hex')}, not ${bytes.toString('hex')}`,
  )
  return `${kind} read`
}

function encoded(message: SealedBatch | StateMessage): Uint8Array {
  if (message.kind === 'state') return encodeState(message)
  const events = message.open()
  // Both go into figures that others are computed from.
  for (const { offset, receivedAt } of events)
    hold(
      Number.isSafeInteger(offset) && Number.isFinite(receivedAt),
      `an offset of ${offset}, received at ${receivedAt}`,
    )
  return encodeBatch({ ...message, events })
}

function noticeOf(text: string): string {
  const expiry = decodeExpiryNotice(text)
  const drain = decodeDrainNotice(text)
  hold(expiry === null || encodeExpiryNotice(expiry) === text, 'another notice of expiry')
  hold(drain === null || encodeDrainNotice(drain) === text, 'another notice of a drain')
  return expiry === null && drain === null ? 'notice refused' : 'notice read'
}

function row(value: unknown): string {
  const ticket = parseRow(value)
  if (ticket === null) return 'ticket refused'
  for (const [partition, { epoch, offset }] of ticket.positions)
    hold(isPosition(partition, epoch, offset), `a ticket for ${partition} ${String(epoch)} ${offset}`)
  return 'ticket read'
}

function isPosition(partition: number, epoch: unknown, offset: number): boolean {
  return Number.isSafeInteger(partition) && typeof epoch === 'string' && Number.isSafeInteger(offset)
}

function jobOf(text: string): string {
  let data: unknown
  try {
    data = JSON.parse(text)
  } catch {
    return 'job refused'
  }
  const job = parseJobData(data)
  hold(job === null || (Number.isFinite(job.expiresAt) && Number.isFinite(job.dueAt)), 'a job without a time')
  return job === null ? 'job refused' : 'job read'
}

export const envelopes: Area<Input> = {
  name: 'envelopes',
  unit: 'envelopes',
  total: 100_000,
  inputs: input,
  open: () => Promise.resolve(new Readers()),
}
