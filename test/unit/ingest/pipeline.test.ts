import type { ConsumeMessage } from 'amqplib'
import { expect } from 'chai'
import fc from 'fast-check'
import { setImmediate as nextTick } from 'node:timers/promises'
import { pino } from 'pino'
import type { Consumer } from '@wazo-websocketd/ingest/consumer'
import type { Answer, AttachReason, PublishCall } from '@wazo-websocketd/ingest/chain'
import { Inbox } from '@wazo-websocketd/ingest/inbox'
import { Ledger } from '@wazo-websocketd/ingest/ledger'
import type { IngestMetrics } from '@wazo-websocketd/ingest/metrics'
import { Pipeline } from '@wazo-websocketd/ingest/pipeline'
import type { Meta } from '@wazo-websocketd/ingest/plan'
import type { Publisher } from '@wazo-websocketd/ingest/publisher'
import { Ring } from '@wazo-websocketd/ingest/ring'
import { initialSituation, judge } from '@wazo-websocketd/ingest/state'
import { partitionOf } from '@wazo-websocketd/shared/domain/event'
import type { Epoch } from '@wazo-websocketd/shared/domain/identity'
import { FakeClock } from '../shared/runtime/fake-clock.js'

const EPOCH = 'E' as Epoch
const HISTORY_BYTES = 1000
const WINDOW = 8
const ACK_EVERY = 3

/** A message of the stream as the consumer gets it. */
function message(offset: number, headers: Record<string, unknown>, exchange: string, body: string) {
  const fields = { deliveryTag: offset, redelivered: false, exchange, routingKey: '', consumerTag: '' }
  const properties = { headers: { 'x-stream-offset': offset, ...headers } }
  return { fields, properties, content: Buffer.from(body) } as unknown as ConsumeMessage
}

function event(offset: number, tenant: string | null = null, bytes = 100): ConsumeMessage {
  const body = JSON.stringify({ n: '' }).replace('""', `"${'x'.repeat(bytes - 8)}"`)
  return message(offset, { name: 'e', required_acl: null, tenant_uuid: tenant }, 'wazo-headers', body)
}

function canary(offset: number, sentAt: number): ConsumeMessage {
  const headers = { 'x-wazo-websocketd-canary': 'me', 'x-wazo-websocketd-sent': String(sentAt) }
  return message(offset, headers, '', '{}')
}

/** Everything that was started has come as far as it can without the clock. */
async function settle(): Promise<void> {
  for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve))
}

function pipeline(partitions = 1) {
  const clock = new FakeClock()
  const situation = initialSituation()
  situation.brokerConnected = true
  const ring = new Ring({ historyMs: 1e9, historyBytes: HISTORY_BYTES })
  const nothing = (): void => undefined
  const metrics: IngestMetrics = {
    amqpConnected: nothing,
    amqpReconnected: nothing,
    redisConnected: nothing,
    publishing: nothing,
    messages: nothing,
    published: nothing,
    answered: nothing,
    publishFailed: nothing,
    lag: nothing,
  }
  const seen = { calls: [] as PublishCall[], trimTo: null as number | null }
  const redis = {
    head: 0,
    asked: 0,
    away: false,
    /** Before an answer. */
    delay: () => Promise.resolve(),
    answer: (call: PublishCall): Answer => ({ kind: 'OK', head: call.last }),
    meta: (): Meta | null => ({ epoch: EPOCH, offset: redis.head, fingerprint: '', stream: 's', partitions }),
  }
  const sender = {
    unheardSince: null as number | null,
    heard: () => void (sender.unheardSince = null),
  }
  const publisher = {
    publish: async (call: PublishCall, trimTo: number | null) => {
      seen.calls.push(call)
      seen.trimTo = trimTo
      await redis.delay()
      const answer = redis.answer(call)
      if ('head' in answer) redis.head = answer.head
      return answer
    },
    metas: () => {
      redis.asked++
      if (redis.away) return Promise.reject(new Error('away'))
      return Promise.resolve(Array.from({ length: partitions }, () => redis.meta()))
    },
  } as unknown as Publisher
  const limits = { batchCountMax: 5, batchBytesMax: 1e6, windowMax: WINDOW, windowBytesMax: 1e6 }
  const subject = new Pipeline(
    {
      chain: { headPollMs: 200, crowdedPollMs: 10, idlePollMs: 1000, takeoverMs: 500, ...limits },
      intake: { origin: null, bodyBytesMax: 10_000, partitions, ingest: 'me' },
      retryMs: 100,
      watchdogMs: 10_000,
      ackEvery: ACK_EVERY,
    },
    {
      publisher,
      ring,
      canary: sender,
      clock,
      ledger: new Ledger({ clock, log: pino({ level: 'silent' }), metrics, situation }),
      metrics,
      situation,
      changed: nothing,
    },
  )
  const acks: number[] = []
  const end = new AbortController()
  /** Attaches at `offset`; `why` is set when the pipeline wants to attach again. */
  function attach(offset: number) {
    const inbox = new Inbox(clock)
    const consumer = {
      inbox,
      ack: (tag: number) => void acks.push(tag),
      close: () => Promise.resolve(),
    } as unknown as Consumer
    const at = { offset, fingerprint: `f${offset}` }
    ring.advance(at, clock.monotonic())
    redis.head = offset
    const heads = Array.from({ length: partitions }, () => offset)
    const outcome: { why: AttachReason | null | undefined } = { why: undefined }
    void subject.run({ epoch: EPOCH, heads, at, consumer }, end.signal).then((why) => (outcome.why = why))
    return { inbox, outcome }
  }
  return {
    clock,
    seen,
    redis,
    acks,
    sender,
    attach,
    state: () => judge(situation, false, clock.monotonic(), 3000),
    stop: async () => {
      end.abort()
      await settle()
    },
  }
}

describe('Pipeline', () => {
  it('is up only once a canary came through since it attached, however fresh an earlier one is', async () => {
    const { clock, redis, attach, state, stop } = pipeline()
    const first = attach(10)
    clock.advance(100)
    first.inbox.put(canary(11, 50))
    await settle()
    expect(state()).to.equal('up')
    redis.answer = () => ({ kind: 'EMPTY' })
    first.inbox.put(event(12))
    await settle()
    expect(first.outcome.why).to.equal('empty')
    redis.answer = ({ last }) => ({ kind: 'OK', head: last })
    const second = attach(5)
    await settle()
    expect(state()).to.equal('catching-up')
    second.inbox.put(event(6))
    await settle()
    expect(state()).to.equal('catching-up')
    second.inbox.put(canary(7, 100))
    await settle()
    expect(state()).to.equal('up')
    await stop()
  })

  it('trims by bytes when the events of one batch belong to several partitions', async () => {
    const { seen, attach, clock, stop } = pipeline(2)
    const { inbox } = attach(10)
    const tenants = ['a', 'b', 'c', 'd', 'e', 'f']
    expect(new Set(tenants.map((tenant) => partitionOf(tenant, 2))).size).to.equal(2)
    for (let n = 0; n < 60; n++) {
      clock.advance(100)
      inbox.put(n % 10 === 9 ? canary(11 + n, 0) : event(11 + n, tenants[n % 6]))
      await settle()
    }
    // The history holds ten events; head passes both partitions with the canary of every tenth message.
    expect(seen.trimTo).to.be.within(70 - 30, 70 - 10)
    await stop()
  })

  it('gives credit back together, as deliveries come, while its window has room', async () => {
    const { clock, redis, acks, attach, stop } = pipeline()
    const { inbox } = attach(10)
    // Another one publishes: what comes stays in the window.
    redis.head = 10
    redis.answer = () => ({ kind: 'PART', head: redis.head })
    for (let n = 11; n <= 17; n++) inbox.put(event(n))
    await settle()
    expect(acks).to.deep.equal([13, 16])
    for (let n = 18; n <= 20; n++) inbox.put(event(n))
    await settle()
    expect(acks).to.deep.equal([13, 16])
    redis.head = 13
    clock.advance(200)
    await settle()
    expect(acks).to.deep.equal([13, 16, 20])
    await stop()
  })

  it('starves at no moment with a broker that counts its credit, and holds no more than window and credit', async () => {
    const last = 10 + 500
    const prefetches = fc.integer({ min: ACK_EVERY, max: 3 * WINDOW })
    const delays = fc.infiniteStream(fc.nat(4))
    const property = fc.asyncProperty(prefetches, delays, async (prefetch, ticks) => {
      const { redis, acks, attach, stop } = pipeline()
      redis.delay = async () => {
        for (let left = ticks.next().value as number; left > 0; left--) await nextTick()
      }
      const { inbox } = attach(10)
      let sent = 10
      let heldMax = 0
      // The clock stands still: nothing but answers of Redis lets it go on.
      for (let turn = 0; redis.head < last && turn < 50 * last; turn++) {
        while (sent < last && sent - (acks.at(-1) ?? 10) < prefetch) inbox.put(event(++sent))
        heldMax = Math.max(heldMax, sent - redis.head)
        await nextTick()
      }
      await stop()
      expect(redis.head).to.equal(last)
      expect(heldMax).to.be.at.most(WINDOW + prefetch)
    })
    await fc.assert(property, { numRuns: 30 })
  })

  it('keeps no delivery for long when no more come', async () => {
    const { clock, acks, attach, stop } = pipeline()
    const { inbox } = attach(10)
    inbox.put(event(11))
    await settle()
    expect(acks).to.deep.equal([])
    clock.advance(1000)
    await settle()
    expect(acks).to.deep.equal([11])
    await stop()
  })

  it('trims by bytes when other ingests publish first', async () => {
    const { redis, seen, attach, clock, stop } = pipeline()
    const { inbox } = attach(10)
    for (let n = 11; n < 40; n++) {
      // Every other batch was already there, and something behind it as well.
      const dup = n % 2 === 1
      redis.answer = ({ last }) => (dup ? { kind: 'DUP', head: last + 1 } : { kind: 'OK', head: last })
      clock.advance(600)
      inbox.put(event(n))
      await settle()
      clock.advance(600)
      await settle()
    }
    expect(seen.trimTo).to.be.a('number')
    await stop()
  })

  it('attaches again when canaries go out for ten seconds and nothing comes in', async () => {
    const { clock, sender, attach } = pipeline()
    const { inbox, outcome } = attach(10)
    await settle()
    const pass = async (ms: number): Promise<void> => {
      clock.advance(ms)
      await settle()
    }
    await pass(60_000)
    expect(outcome.why, 'nothing was sent').to.equal(undefined)
    for (let n = 11; n < 40; n++) {
      sender.unheardSince ??= clock.monotonic()
      await pass(1000)
      inbox.put(n % 2 === 0 ? event(n) : canary(n, clock.monotonic()))
      await settle()
    }
    expect(outcome.why, 'all is well').to.equal(undefined)
    sender.unheardSince ??= clock.monotonic()
    await pass(9999)
    expect(outcome.why).to.equal(undefined)
    await pass(1)
    expect(outcome.why).to.equal('silent')
  })

  it('finds within a second, without a message of the stream, that Redis has lost its data', async () => {
    const { clock, redis, attach } = pipeline()
    const { outcome } = attach(10)
    await settle()
    for (let n = 0; n < 30; n++) {
      clock.advance(100)
      await settle()
    }
    expect([redis.asked, outcome.why], 'all is well').to.deep.equal([3, undefined])
    redis.meta = () => null
    clock.advance(999)
    await settle()
    expect(outcome.why).to.equal(undefined)
    clock.advance(1)
    await settle()
    expect(outcome.why).to.equal('empty')
  })

  it('goes on asking a Redis that does not answer, and is not silent meanwhile', async () => {
    const { clock, redis, sender, attach, stop } = pipeline()
    const { outcome } = attach(10)
    redis.away = true
    sender.unheardSince = null
    for (let n = 0; n < 100; n++) {
      clock.advance(100)
      await settle()
    }
    expect(redis.asked).to.be.within(40, 100)
    redis.away = false
    redis.asked = 0
    clock.advance(100)
    await settle()
    expect([redis.asked, outcome.why]).to.deep.equal([1, undefined])
    await stop()
  })

  it('does not take a Redis without an answer for a consumer that is silent', async () => {
    const { clock, redis, sender, attach, stop } = pipeline()
    const { inbox, outcome } = attach(10)
    redis.answer = () => ({ kind: 'lost' })
    inbox.put(event(11))
    sender.unheardSince = clock.monotonic()
    for (let n = 0; n < 300; n++) {
      clock.advance(100)
      await settle()
    }
    redis.answer = ({ last }) => ({ kind: 'OK', head: last })
    sender.unheardSince = 0
    clock.advance(100)
    await settle()
    expect(outcome.why).to.equal(undefined)
    await stop()
  })
})
