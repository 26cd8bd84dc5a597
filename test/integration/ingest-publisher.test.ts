import { expect } from 'chai'
import { Redis } from 'ioredis'
import { RedisConnection } from '@wazo-websocketd/ingest/publish/redis-connection'
import {
  Publisher,
  type PublisherOptions,
  type RedisCommands,
} from '@wazo-websocketd/ingest/publish/publisher'
import type { PublishCall } from '@wazo-websocketd/ingest/publish/sequencer'
import { decode } from '@wazo-websocketd/shared/domain/envelope'
import type { Epoch } from '@wazo-websocketd/shared/domain/position'
import { keys } from '@wazo-websocketd/shared/redis/layout'
import { startRedis } from '../support/redis.mjs'
import { sleep, waitFor } from '../support/wait.mjs'
import { delivery, eventAt } from '../support/fakes/delivery.js'
import { FakeClock } from '../support/fakes/clock.js'

const E = 'E' as Epoch
const F = 'F' as Epoch
const { meta: META, log: LOG, live: LIVE } = keys('p', 0)

function call(prev: number, last: number, over: Partial<PublishCall> = {}): PublishCall {
  const deliveries = []
  for (let offset = prev + 1; offset <= last; offset++) deliveries.push(delivery(offset))
  return { partition: 0, epoch: E, prev, last, fingerprint: `f${last}`, deliveries, retried: false, ...over }
}

const OPTIONS = {
  prefix: 'p',
  partitions: 2,
  stream: 's.v1',
  sharded: false,
  historyMs: 60_000,
  historyBytes: 1e9,
}

/** A publisher that has just been started. */
function publisherOver(client: Redis, over: Partial<PublisherOptions> = {}): Publisher {
  const connection: RedisCommands = {
    callBuffer: (command, ...args) => client.callBuffer(command, ...args),
    renew: () => undefined,
  }
  return new Publisher(connection, { ...OPTIONS, ...over })
}

describe('Publisher on a real Redis', () => {
  let server: Awaited<ReturnType<typeof startRedis>>
  let redis: Redis
  let publisher: Publisher

  before(async () => {
    server = await startRedis()
    redis = new Redis(server.url, { enableOfflineQueue: true })
    publisher = publisherOver(redis)
  })

  after(async () => {
    redis.disconnect()
    await server.stop()
  })

  beforeEach(async () => {
    await redis.flushall()
    publisher = publisherOver(redis)
    await publisher.seed(0, E, { offset: 10, fingerprint: 'f10' }, 10)
  })

  async function entries(): Promise<[string, number, number, number[]][]> {
    const found = (await redis.xrangeBuffer(LOG, '-', '+')) as [Buffer, Buffer[]][]
    return found.map(([id, fields]) => {
      const batch = decode(fields[1]!)
      if (batch.kind !== 'batch') throw new Error('not a batch')
      return [id.toString(), batch.prev, batch.last, batch.open().map(({ offset }) => offset)]
    })
  }

  it('appends a batch that follows head, moves head and its fingerprint, and publishes the same bytes', async () => {
    const subscriber = new Redis(server.url)
    const heard: Buffer[] = []
    subscriber.on('messageBuffer', (_channel: Buffer, message: Buffer) => heard.push(message))
    await subscriber.subscribe(LIVE)
    expect(await publisher.publish(call(10, 12), null)).to.deep.equal({ kind: 'OK', head: 12 })
    expect(await entries()).to.deep.equal([['12-1', 10, 12, [11, 12]]])
    expect(await redis.hgetall(META)).to.deep.include({
      epoch: 'E',
      head: '12',
      fingerprint: 'f12',
      stream: 's.v1',
      partitions: '2',
    })
    await waitFor(() => heard.length > 0, { what: 'the live message' })
    const [, fields] = ((await redis.xrangeBuffer(LOG, '-', '+')) as [Buffer, Buffer[]][])[0]!
    expect(heard).to.deep.equal([fields[1]])
    subscriber.disconnect()
  })

  it('publishes a range without events as well', async () => {
    expect(await publisher.publish(call(10, 12, { deliveries: [] }), null)).to.deep.equal({
      kind: 'OK',
      head: 12,
    })
    expect(await entries()).to.deep.equal([['12-1', 10, 12, []]])
  })

  it('answers DUP, PART and ROLLED with head, and changes nothing', async () => {
    await publisher.publish(call(10, 20), null)
    const before = await entries()
    expect(await publisher.publish(call(10, 20), null)).to.deep.equal({ kind: 'DUP', head: 20 })
    expect(await publisher.publish(call(10, 15), null)).to.deep.equal({ kind: 'DUP', head: 20 })
    expect(await publisher.publish(call(15, 25), null)).to.deep.equal({ kind: 'PART', head: 20 })
    expect(await publisher.publish(call(21, 25), null)).to.deep.equal({ kind: 'ROLLED', head: 20 })
    expect(await entries()).to.deep.equal(before)
  })

  it('answers EMPTY without meta and EPOCH in another epoch', async () => {
    expect(await publisher.publish(call(10, 12, { partition: 1 }), null)).to.deep.equal({ kind: 'EMPTY' })
    expect(await publisher.publish(call(10, 12, { epoch: F }), null)).to.deep.equal({
      kind: 'EPOCH',
      epoch: 'E',
    })
    expect(await entries()).to.deep.equal([])
  })

  it('compares offsets as numbers, also beyond 32 bits', async () => {
    await redis.hset(META, 'head', String(2 ** 40))
    expect(await publisher.publish(call(9, 10), null)).to.deep.equal({ kind: 'DUP', head: 2 ** 40 })
    const big = call(2 ** 40, 2 ** 40 + 1)
    expect(await publisher.publish(big, null)).to.deep.equal({ kind: 'OK', head: 2 ** 40 + 1 })
    expect((await entries())[0]![0]).to.equal(`${2 ** 40 + 1}-1`)
  })

  for (const [what, corrupt] of [
    ['the log is no stream', () => redis.set(LOG, 'not a stream')],
    ['the log holds an id above the next one', () => redis.xadd(LOG, '*', 'b', 'x')],
    [
      'an id above the next one was there once',
      () => redis.xadd(LOG, '*', 'b', 'x').then((id) => redis.xdel(LOG, id!)),
    ],
    ['an entry stands between two batches', () => redis.xadd(LOG, '11-7', 'b', 'x')],
    ['an entry stands beside that of the head', () => redis.xadd(LOG, '10-2', 'b', 'x')],
    ['meta is no hash', async () => (await redis.del(META), redis.set(META, 'x'))],
    ['the head is no number', () => redis.hset(META, 'head', 'x')],
    ['the head is above the log', () => redis.hset(META, 'head', '99')],
    ['the head is below the log', () => redis.hset(META, 'head', '3')],
  ] as const)
    it(`answers CORRUPT and deletes both keys when ${what}: they can be seeded again`, async () => {
      expect(await publisher.publish(call(10, 11), null)).to.include({ kind: 'OK' })
      await redis.hset(META, 'head', '10')
      await redis.xdel(LOG, '11-1')
      await redis.del(LOG)
      await redis.xadd(LOG, '10-1', 'b', 'the batch of the head')
      await corrupt()
      expect(await publisher.publish(call(10, 12), null)).to.deep.equal({ kind: 'CORRUPT' })
      expect(await redis.exists(META, LOG)).to.equal(0)
      expect(await publisher.meta(0)).to.equal(null)
      expect(await publisher.seed(0, E, { offset: 10, fingerprint: 'f10' }, 10)).to.equal(true)
      expect(await publisher.publish(call(10, 12), null)).to.include({ kind: 'OK' })
    })

  for (const [what, corrupt] of [
    ['is no hash', async () => (await redis.del(META), redis.set(META, 'x'))],
    ['has a head that is no number', () => redis.hset(META, 'head', 'x')],
    ['has no head', () => redis.hdel(META, 'head')],
  ] as const)
    it(`counts a meta that ${what} as none, for seeding and for a new epoch`, async () => {
      await corrupt()
      expect(await publisher.meta(0)).to.equal(null)
      expect(await publisher.seed(0, E, { offset: 10, fingerprint: 'f10' }, 10)).to.equal(true)
      await corrupt()
      expect(await publisher.newEpoch(0, null, F, { offset: 10, fingerprint: 'f10' })).to.equal(true)
      expect(await publisher.meta(0)).to.include({ epoch: 'F', offset: 10 })
    })

  it('goes on where what counts the age of the log is no number', async () => {
    await redis.hset(META, 'mark', 'x', 'mark_ms', 'x', 'mark_bytes', '', 'mark_clock', 'x')
    expect(await publisher.publish(call(10, 12), null)).to.include({ kind: 'OK', head: 12 })
    expect(await publisher.publish(call(12, 13), null)).to.include({ kind: 'OK', head: 13 })
  })

  it('leaves a batch to be sent again, and head where it is, while Redis does not serve', async () => {
    for (const [option, value, normal, code] of [
      ['maxmemory', '1mb', '0', 'OOM'],
      ['min-replicas-to-write', '1', '0', 'NOREPLICAS'],
    ] as const) {
      await redis.config('SET', option, value)
      try {
        const answer = await publisher.publish(call(10, 12), null)
        expect(answer.kind).to.equal('lost')
        expect(answer.kind === 'lost' && answer.why).to.contain(code)
        expect(await redis.hget(META, 'head')).to.equal('10')
      } finally {
        await redis.config('SET', option, normal)
      }
    }
    expect(await publisher.publish(call(10, 12), null)).to.deep.equal({ kind: 'OK', head: 12 })
  })

  it('makes a fresh connection, once a second, to a Redis that has become a replica', async () => {
    const clock = new FakeClock()
    const clients: Redis[] = []
    const link = new RedisConnection(
      { where: 'there', callTimeoutMs: 60_000, readyTimeoutMs: 60_000, renewIntervalMs: 1000 },
      clock,
      () => {
        clients.push(new Redis(server.url))
        return clients.at(-1)!
      },
    )
    const subject = new Publisher(link, OPTIONS)
    try {
      await redis.replicaof('127.0.0.1', 1)
      for (let n = 0; n < 5; n++) {
        await waitFor(() => clients.at(-1)!.status === 'ready', { what: 'a connection' })
        const answer = await subject.publish(call(10, 12), null)
        expect(answer.kind === 'lost' && answer.why).to.match(/READONLY|MASTERDOWN/)
        expect(link.connected).to.equal(false)
        clock.advance(400)
      }
      expect(clients.map(({ status }) => status === 'ready')).to.deep.equal([false, false, true])
      await redis.replicaof('NO', 'ONE')
      expect(await subject.publish(call(10, 12), null)).to.deep.equal({ kind: 'OK', head: 12 })
      await redis.call('ACL', 'SETUSER', 'default', '-xadd')
      clock.advance(9999)
      expect((await subject.publish(call(12, 13), null)).kind).to.equal('failed')
      await redis.call('ACL', 'SETUSER', 'default', '+xadd')
      expect(clients, 'no reason for another one').to.have.length(3)
    } finally {
      await redis.replicaof('NO', 'ONE')
      link.stop()
      for (const client of clients) client.disconnect()
    }
  })

  it('names meta and log alone as keys: a channel is never in a slot that is being moved', async () => {
    const sent: (string | Buffer | number)[][] = []
    const callBuffer = (command: string, ...args: (string | Buffer | number)[]) => {
      sent.push(args)
      return redis.callBuffer(command, ...args)
    }
    const subject = new Publisher({ callBuffer, renew: () => undefined }, OPTIONS)
    await subject.publish(call(10, 12), null)
    expect(sent.at(-1)!.slice(1, 4)).to.deep.equal([2, META, LOG])
    expect(sent.at(-1)!.slice(4)).to.include(LIVE)
  })

  describe('without anybody who remembers how old the log is', () => {
    /** Publishers come and go: each lives for one batch, `ms` apart; how long the log reaches back. */
    async function spanOf(batches: number, ms: number, over: Partial<PublisherOptions>, bytes = 10) {
      const publishedAt: number[] = []
      let spanMs = 0
      let spanBytes = 0
      let spanLeast = Infinity
      for (let head = 10; head < 10 + batches; head++) {
        publisher = publisherOver(redis, over)
        const deliveries = [delivery(head + 1, { event: eventAt(head + 1, { body: Buffer.alloc(bytes) }) })]
        const answer = await publisher.publish(call(head, head + 1, { deliveries }), null)
        expect(answer.kind).to.equal('OK')
        publishedAt[head + 1] = performance.now()
        const log = (await redis.xrangeBuffer(LOG, '-', '+')) as [Buffer, Buffer[]][]
        const oldest = Number(log[0]![0].toString().split('-')[0])
        const span = performance.now() - publishedAt[oldest]!
        spanMs = Math.max(spanMs, span)
        if (head > 10 + batches / 2) spanLeast = Math.min(spanLeast, span)
        spanBytes = Math.max(
          spanBytes,
          log.reduce((sum, [, fields]) => sum + fields[1]!.length, 0),
        )
        await sleep(ms)
      }
      return { spanMs, spanBytes, spanLeast }
    }

    it('keeps at least the history, and about twice that at most', async () => {
      const { spanMs, spanLeast } = await spanOf(100, 15, { historyMs: 400 })
      expect(spanMs).to.be.within(600, 1000)
      // Who has what was published then can read on: the batch after it is the oldest.
      expect(spanLeast).to.be.at.least(340)
    })

    it('keeps about twice the bytes of the history at most', async () => {
      const { spanBytes } = await spanOf(200, 0, { historyBytes: 10_000 }, 500)
      expect(spanBytes).to.be.within(10_000, 21_500)
    })

    it('counts two seconds at most from one batch to the next, and none where the clock goes back', async () => {
      const steps: string[] = []
      for (const [n, aheadMs] of [3_600_000, -3_600_000, 500].entries()) {
        await redis.hset(META, 'mark', '10', 'mark_ms', '0', 'mark_clock', `${Date.now() - aheadMs}`)
        await publisher.publish(call(10 + n, 11 + n), null)
        steps.push((await redis.hget(META, 'mark_ms'))!)
      }
      expect(steps.slice(0, 2)).to.deep.equal(['2000', '0'])
      expect(Number(steps[2])).to.be.within(500, 1000)
    })
  })

  it('trims the log below the given offset', async () => {
    for (let n = 10; n < 400; n++) await publisher.publish(call(n, n + 1), n > 300 ? 300 : null)
    const [oldest] = await entries()
    expect(oldest![2]).to.be.within(201, 300) // whole nodes of at most 100 entries go
    expect((await entries()).at(-1)![2]).to.equal(400)
  })

  it('asks Redis to trim until nothing is left below the offset, then only for another one', async () => {
    // One call trims 100 nodes at most: so small, that is less than what lies below the offset.
    await redis.config('SET', 'stream-node-max-entries', '1')
    try {
      for (let n = 10; n < 310; n++) await publisher.publish(call(n, n + 1), null)
      const left: number[] = []
      for (let n = 310; n < 316; n++) {
        await publisher.publish(call(n, n + 1), 300)
        left.push((await entries()).length - (n - 309))
      }
      expect(left, 'entries of before').to.deep.equal([200, 100, 11, 11, 11, 11])
      await redis.config('RESETSTAT')
      await publisher.publish(call(316, 317), 300)
      expect(await redis.info('commandstats')).not.to.include('cmdstat_xtrim')
      await publisher.publish(call(317, 318), 305)
      expect(await redis.info('commandstats')).to.include('cmdstat_xtrim:calls=1,')
      expect((await entries())[0]![2]).to.equal(305)
    } finally {
      await redis.config('SET', 'stream-node-max-entries', '100')
    }
  })

  it('says that an answer got lost when the connection does', async () => {
    const fragile = new Redis(server.url, {
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      lazyConnect: true,
    })
    fragile.on('error', () => undefined)
    const subject = publisherOver(fragile)
    expect((await subject.publish(call(10, 12), null)).kind).to.equal('lost')
    await waitFor(() => fragile.status === 'ready', { what: 'the connection' }) // the first call began it
    expect(await subject.publish(call(10, 12), null)).to.deep.equal({ kind: 'OK', head: 12 })
    fragile.disconnect()
    expect((await subject.publish(call(12, 13), null)).kind).to.equal('lost')
    expect(await subject.metas().catch((error: unknown) => error instanceof Error && error.name)).to.equal(
      'RedisFault',
    )
  })

  it('tells up to where events are published again, and never less than before', async () => {
    const replayEnd = () => redis.hget(META, 'replay_end')
    await redis.del(META)
    await publisher.seed(0, E, { offset: 10, fingerprint: 'f10' }, 40)
    expect(await replayEnd()).to.equal('40')
    for (const [epoch, end] of [
      [E, 30],
      [F, 90],
    ] as const) {
      expect(await publisher.seed(0, epoch, { offset: 10, fingerprint: 'f10' }, end)).to.equal(false)
      expect(await replayEnd()).to.equal('40')
    }
    await publisher.seed(0, E, { offset: 10, fingerprint: 'f10' }, 50)
    expect(await replayEnd()).to.equal('50')
    await publisher.publish(call(10, 12), null)
    expect(await replayEnd()).to.equal('50')
    await publisher.newEpoch(0, E, F, { offset: 12, fingerprint: 'f12' })
    expect(await replayEnd()).to.equal(null)
  })

  it('seeds only what is absent, and empties the log', async () => {
    await publisher.publish(call(10, 12), null)
    expect(await publisher.seed(0, E, { offset: 5, fingerprint: 'f5' }, 5)).to.equal(false)
    await redis.del(META)
    expect(await publisher.seed(0, E, { offset: 5, fingerprint: 'f5' }, 5)).to.equal(true)
    expect(await entries()).to.deep.equal([])
    expect(await publisher.metas()).to.deep.equal([
      { epoch: 'E', offset: 5, fingerprint: 'f5', stream: 's.v1', partitions: 2 },
      null,
    ])
  })

  it('starts a new epoch only from the one that was seen, and empties the log', async () => {
    await publisher.publish(call(10, 12), null)
    const at = { offset: 50, fingerprint: 'f50' }
    expect(await publisher.newEpoch(0, F, 'G' as Epoch, at)).to.equal(false)
    expect(await publisher.newEpoch(0, null, 'G' as Epoch, at)).to.equal(false)
    expect((await entries()).length).to.equal(1)
    expect(await publisher.newEpoch(0, E, F, at)).to.equal(true)
    expect(await entries()).to.deep.equal([])
    expect((await publisher.metas())[0]).to.include({ epoch: 'F', offset: 50, fingerprint: 'f50' })
    expect(await publisher.newEpoch(1, null, F, at)).to.equal(true)
  })
})
