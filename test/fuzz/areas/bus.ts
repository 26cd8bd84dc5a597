/** Messages of the bus, from the bytes of their header table and body to the sessions that get them. */
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { ConsumeMessage } from 'amqplib'
import fc from 'fast-check'
import { Router } from '@wazo-websocketd/edge/route/router'
import { SubscriptionIndex } from '@wazo-websocketd/edge/route/subscription-index'
import {
  eventIn,
  EVERY_PARTITION,
  toDelivery,
  type Delivery,
} from '@wazo-websocketd/ingest/normalise/delivery'
import { DROP_REASONS } from '@wazo-websocketd/ingest/normalise/normalise'
import { decode, encodeBatch } from '@wazo-websocketd/shared/domain/envelope'
import type { Epoch } from '@wazo-websocketd/shared/domain/position'
import { systemClock } from '@wazo-websocketd/shared/runtime/clock'
import { CountingMetrics, FakeRecipient } from '../../support/fakes/recipients.js'
import { field, FIXED_BYTES, table, type Field } from '../../support/raw-amqp.js'
import { maySee, readEvent, type Event } from '../../support/reference-rights.js'
import { hold, Tally, type Area, type Subject } from '../area.js'
import { about, damaged, json, noise, oddJson, oddName, objectText } from '../odd.js'
import { MASTER, TENANTS, tokenOf, USERS, identityFor } from '../../support/population.js'

const ORIGIN = 'this-wazo'
const BODY_BYTES_MAX = 1024 * 1024
const EPOCH = 'epoch' as Epoch
const SESSIONS = 24

interface Codec {
  readonly decodeFields: (bytes: Buffer) => Record<string, unknown>
}
const require = createRequire(import.meta.url)
/** amqplib's own: what a consumer is given is what it makes of the bytes. */
const { decodeFields } = require(join(dirname(require.resolve('amqplib')), 'lib/codec.js')) as Codec

interface Message {
  /** A header table without its length; null: the message has none. */
  readonly headers: Buffer | null
  readonly body: Buffer
  readonly partitions: number
}

const fixedType = fc.constantFrom(...(Object.keys(FIXED_BYTES) as (keyof typeof FIXED_BYTES)[]))
const plainText = fc.constantFrom(
  ORIGIN,
  'foo',
  'bar',
  'auth_session_deleted',
  'x.me',
  'x.u1',
  'x.edit',
  ...TENANTS,
  ...USERS,
)
const value: fc.Arbitrary<Buffer> = fc.oneof(
  { weight: 6, arbitrary: plainText.map(field.string) },
  { weight: 2, arbitrary: oddName.map(field.string) },
  { weight: 3, arbitrary: fc.boolean().map(field.boolean) },
  { weight: 2, arbitrary: fc.constant(field.nothing()) },
  { weight: 3, arbitrary: fc.tuple(fixedType, noise(8, 8)).map(([type, bytes]) => field.fixed(type, bytes)) },
  { weight: 1, arbitrary: noise(12).map(field.bytes) },
  { weight: 1, arbitrary: noise(12).map(field.text) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(field.array([]), field.array([field.boolean(true), field.string('x')])),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      field.table([]),
      field.table([
        ['required_acl', field.nothing()],
        ['name', field.string('foo')],
      ]),
    ),
  },
)
const header: fc.Arbitrary<Field> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.tuple(
      fc.constantFrom(
        'name',
        'origin_uuid',
        'tenant_uuid',
        'required_acl',
        'user_uuid:*',
        'session_uuid',
        ...USERS.map((user) => `user_uuid:${user}`),
      ),
      value,
    ),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(
      oddName.map((name) => name.slice(0, 80)),
      value,
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constant([
      '__proto__',
      field.table([
        ['required_acl', field.nothing()],
        ['user_uuid:*', field.boolean(true)],
      ]),
    ] as Field),
  },
)
/** What a Wazo daemon writes, as headers or in a body. */
const right = fc.record(
  {
    name: fc.constantFrom('foo', 'foo', 'bar', 'auth_session_deleted'),
    origin_uuid: fc.constantFrom(ORIGIN, ORIGIN, ORIGIN, 'other'),
    tenant_uuid: fc.constantFrom<string | null>(...TENANTS, null),
    required_acl: fc.constantFrom<string | null>('x.u1', 'x.me', 'x.y.update', 'z', '', null),
    'user_uuid:*': fc.boolean(),
    'user_uuid:u1': fc.boolean(),
    'user_uuid:u2': fc.boolean(),
  },
  { requiredKeys: ['name', 'origin_uuid', 'required_acl'] },
)

function fieldOf(value: string | boolean | null): Buffer {
  if (value === null) return field.nothing()
  return typeof value === 'string' ? field.string(value) : field.boolean(value)
}

const headers = fc.oneof(
  {
    weight: 5,
    arbitrary: fc
      .tuple(right, fc.array(header, { maxLength: 2 }))
      .map(([some, more]) => [
        ...Object.entries(some).map(([name, v]): Field => [name, fieldOf(v)]),
        ...more,
      ]),
  },
  { weight: 2, arbitrary: fc.array(header, { maxLength: 6 }) },
  { weight: 1, arbitrary: fc.constant(null) },
)
const member = fc.tuple(
  fc.constantFrom(
    'name',
    'origin_uuid',
    'tenant_uuid',
    'required_acl',
    'user_uuid:*',
    'data',
    '__proto__',
    'x',
  ),
  fc.oneof(
    json,
    oddJson,
    plainText.map((text) => JSON.stringify(text)),
  ),
)
const nonFinite = fc.constantFrom(
  'NaN',
  '-Infinity',
  '[Infinity,NaN]',
  '{"NaN":NaN}',
  '-NaN',
  'NaNN',
  '1NaN',
  '"a\\"NaN"',
)
const body = fc.oneof(
  {
    weight: 240,
    arbitrary: right.map((keys) => Buffer.from(JSON.stringify({ data: { uuid: 's1' }, ...keys }))),
  },
  {
    weight: 180,
    arbitrary: fc.array(member, { maxLength: 5 }).map((members) => Buffer.from(objectText(members))),
  },
  { weight: 120, arbitrary: nonFinite.map((text) => Buffer.from(`{"data":${text}}`)) },
  {
    weight: 120,
    arbitrary: damaged(
      right.map((keys) => Buffer.from(JSON.stringify(keys))),
      2,
    ),
  },
  { weight: 60, arbitrary: oddJson.map((text) => Buffer.from(text)) },
  { weight: 30, arbitrary: noise(40) },
  { weight: 30, arbitrary: right.map((keys) => Buffer.from(`\ufeff${JSON.stringify(keys)}`)) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(right, about(1))
      .map(([keys, x]) => Buffer.from(JSON.stringify({ ...keys, x }).slice(0, -70) + '"}')),
  },
)
const message: fc.Arbitrary<Message> = fc.record({
  headers: headers.map((fields) => (fields === null ? null : table(fields).subarray(4))),
  body,
  partitions: fc.constantFrom(1, 1, 4),
})

class Ingest implements Subject<Message> {
  readonly outcomes = new Tally()
  private readonly index = new SubscriptionIndex()
  private readonly router = new Router({
    index: this.index,
    accessScope: 'tenant',
    metrics: new CountingMetrics(),
  })
  private readonly sessions = Array.from({ length: SESSIONS }, (_, i) => {
    const token = tokenOf(i)
    return {
      token,
      recipient: new FakeRecipient(
        identityFor(token),
        [['foo'], ['bar', 'foo'], ['*'], ['auth_session_deleted']][i % 4]!,
      ),
    }
  })
  private offset = 0

  constructor() {
    for (const { recipient } of this.sessions) this.index.add(recipient)
  }

  take({ headers: bytes, body, partitions }: Message): number {
    const headers = bytes === null ? undefined : decodeFields(bytes)
    const before = Buffer.from(body)
    const delivery = this.receive(headers, body, partitions)
    const { event, reason } = delivery
    hold((event === null) !== (reason === null), 'neither an event nor a reason')
    hold(reason === null || DROP_REASONS.includes(reason), `not counted: ${reason}`)
    hold(body.equals(before), 'the body was changed')
    for (const partition of partitionsOf(delivery, partitions)) this.deliver(delivery, partition, partitions)
    const wanted = readEvent(body, headers ?? {}, ORIGIN)
    this.judge(wanted, delivery)
    this.outcomes.add(reason ?? (event?.revocationOnly === true ? 'revocation' : 'event'))
    return 1
  }

  private receive(
    headers: Record<string, unknown> | undefined,
    content: Buffer,
    partitions: number,
  ): Delivery {
    const message = {
      fields: { exchange: 'wazo-headers' },
      properties: { headers },
      content,
    } as unknown as ConsumeMessage
    const options = { origin: ORIGIN, bodyBytesMax: BODY_BYTES_MAX, partitions, ingest: 'i' }
    return toDelivery(message, ++this.offset, null, options, systemClock)
  }

  /** Over the envelope, as through Redis, and to the sessions. */
  private deliver({ event, offset }: Delivery, partition: number, partitions: number): void {
    if (event === null) return
    const events = [eventIn(event, partition, partitions)]
    const batch = decode(encodeBatch({ epoch: EPOCH, prev: offset - 1, last: offset, events }))
    hold(batch.kind === 'batch', 'not a batch')
    for (const each of batch.open()) this.router.route(each)
  }

  private judge(wanted: Event | null, { event, reason }: Delivery): void {
    // The rules do not say who sees an event whose tenant is no text: nobody is safe.
    const unclear =
      reason === 'bad_tenant' || (event?.revocationOnly === true && typeof wanted?.tenant !== 'string')
    for (const { token, recipient } of this.sessions) {
      const { got, subscriptions } = recipient
      const subscribed = wanted !== null && (subscriptions.has(wanted.name) || subscriptions.has('*'))
      const may = subscribed && maySee(token, wanted, MASTER)
      hold(got.length <= 1, 'delivered twice')
      hold(got.length === 0 || may, () => `delivered to one who may not see it: ${JSON.stringify(token)}`)
      hold(got.length === 1 || !may || unclear, () => `not delivered (${reason}): ${JSON.stringify(token)}`)
      hold(got.length === 0 || wanted?.body === Buffer.from(got[0]!.body).toString(), 'another body')
      if (got.length > 0) this.outcomes.add('deliveries')
      got.length = 0
    }
    const deleted = wanted?.deletedSession
    if (typeof deleted === 'string' && deleted !== '')
      hold(event?.revokedSession === deleted, 'a deleted session is not ended')
  }
}

function partitionsOf({ target }: Delivery, partitions: number): readonly number[] {
  return target === EVERY_PARTITION ? Array.from({ length: partitions }, (_, i) => i) : [target]
}

export const bus: Area<Message> = {
  name: 'bus',
  unit: 'bus messages',
  total: 200_000,
  inputs: message,
  open: () => Promise.resolve(new Ingest()),
}
