import type { ConsumeMessage } from 'amqplib'
import { expect } from 'chai'
import {
  EVERY_PARTITION,
  eventIn,
  fingerprint,
  targetOf,
  toDelivery,
} from '@wazo-websocketd/ingest/normalise/delivery'
import { readCanary } from '@wazo-websocketd/ingest/broker/canary'
import { eventBytes } from '@wazo-websocketd/shared/domain/envelope'
import { partitionOf } from '@wazo-websocketd/shared/domain/event'
import { FakeClock } from '../../../support/fakes/clock.js'
import { eventAt } from '../../../support/fakes/delivery.js'

const OPTIONS = { origin: null, bodyBytesMax: 100, partitions: 4, ingest: 'me' }

function message(
  headers: Record<string, unknown> | undefined,
  body: string,
  exchange = 'wazo-headers',
): ConsumeMessage {
  const fields = { deliveryTag: 7, redelivered: false, exchange, routingKey: '', consumerTag: '' }
  return { fields, properties: { headers }, content: Buffer.from(body) } as ConsumeMessage
}

function take(...args: Parameters<typeof message>) {
  const clock = new FakeClock(0)
  clock.advance(5000)
  const one = message(...args)
  return toDelivery(one, 42, readCanary(one), OPTIONS, clock)
}

describe('toDelivery', () => {
  it('makes a delivery of an event, with its offset, time and target', () => {
    const got = take({ 'x-stream-offset': 99, name: 'x', required_acl: null, tenant_uuid: 't1' }, '{"a":1}')
    expect(got).to.include({
      offset: 42,
      receivedAt: 5000,
      reason: null,
      canarySentAt: null,
      urgent: true,
    })
    expect(got.target).to.equal(partitionOf('t1', 4))
    expect(got.event).to.include({ offset: 42, name: 'x', tenant: 't1', receivedAt: 5000 })
    expect(got.fingerprint()).to.equal(fingerprint(Buffer.from('{"a":1}')))
  })

  it('keeps the offset and the reason of what it drops', () => {
    const got = take({ name: 'x' }, 'nonsense')
    expect(got).to.include({ offset: 42, event: null, reason: 'invalid_json', target: 0, bytes: 0 })
    expect(got.fingerprint()).to.equal(fingerprint(Buffer.from('nonsense')))
  })

  it('knows the fingerprint of a body that is too big to be kept', () => {
    const body = 'x'.repeat(101)
    const got = take({}, body)
    expect(got.reason).to.equal('too_big')
    expect(got.fingerprint()).to.equal(fingerprint(Buffer.from(body)))
  })

  it('tells its own canaries from those of others; all concern every partition', () => {
    const canary = (ingest: string) => ({
      'x-wazo-websocketd-canary': ingest,
      'x-wazo-websocketd-sent': '1234.5',
    })
    expect(take(canary('me'), '{}', '')).to.include({
      canarySentAt: 1234.5,
      target: EVERY_PARTITION,
      event: null,
      reason: null,
    })
    expect(take(canary('you'), '{}', '')).to.include({ canarySentAt: null, target: EVERY_PARTITION })
  })

  it('takes no message of an exchange for a canary', () => {
    expect(take({ 'x-wazo-websocketd-canary': 'me' }, '{}').reason).to.equal('no_name')
  })

  it('does not make any partition publish for a canary that is no beat, nor count it as one that came through', () => {
    const headers = {
      'x-wazo-websocketd-canary': 'me',
      'x-wazo-websocketd-sent': '1234.5',
      'x-wazo-websocketd-beat': false,
    }
    expect(take(headers, '{}', '')).to.include({ canarySentAt: null, urgent: false, target: EVERY_PARTITION })
  })

  it('counts what an event takes in a batch, headers and all', () => {
    const headers = { name: 'x', required_acl: null }
    const users = Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`user_uuid:u${n}`, true]))
    const got = take({ ...headers, ...users }, '{"a":1}')
    expect(got.bytes).to.equal(eventBytes(got.event!))
    expect(got.bytes - take(headers, '{"a":1}').bytes).to.be.above(50 * 4)
  })
})

describe('targetOf and eventIn', () => {
  const revocation = eventAt(1, { tenant: 't1', revokedSession: 's' })

  it('send a revocation to every partition, with a body only where its tenant is', () => {
    expect(targetOf(revocation, 4)).to.equal(EVERY_PARTITION)
    const home = partitionOf('t1', 4)
    for (let p = 0; p < 4; p++) {
      const event = eventIn(revocation, p, 4)
      expect(event.revokedSession).to.equal('s')
      expect(event.revocationOnly).to.equal(p !== home)
      expect(event.body.length > 0).to.equal(p === home)
    }
  })

  it('keep every other event whole and in its own partition', () => {
    const event = eventAt(1, { tenant: 't1' })
    expect(targetOf(event, 4)).to.equal(partitionOf('t1', 4))
    expect(eventIn(event, partitionOf('t1', 4), 4)).to.equal(event)
    expect(targetOf(event, 1)).to.equal(0)
    expect(targetOf(revocation, 1)).to.equal(0)
    expect(targetOf(null, 4)).to.equal(0)
  })
})
