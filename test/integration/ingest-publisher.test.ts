import { expect } from 'chai'
import { Redis } from 'ioredis'
import type { PublishCall } from '@wazo-websocketd/ingest/chain'
import { Publisher } from '@wazo-websocketd/ingest/publisher'
import { decode } from '@wazo-websocketd/shared/domain/envelope'
import type { Epoch } from '@wazo-websocketd/shared/domain/identity'
import { keys } from '@wazo-websocketd/shared/runtime/scripts'
import { startRedis } from '../support/redis.mjs'
import { waitFor } from '../support/wait.mjs'
import { delivery } from '../unit/ingest/delivery-of.js'

const E = 'E' as Epoch
const F = 'F' as Epoch
const { meta: META, log: LOG, live: LIVE } = keys('p', 0)

function call(prev: number, last: number, over: Partial<PublishCall> = {}): PublishCall {
  const deliveries = []
  for (let offset = prev + 1; offset <= last; offset++) deliveries.push(delivery(offset))
  return { partition: 0, epoch: E, prev, last, fingerprint: `f${last}`, deliveries, retried: false, ...over }
}

describe('Publisher on a real Redis', () => {
  let server: Awaited<ReturnType<typeof startRedis>>
  let redis: Redis
  let publisher: Publisher

  before(async () => {
    server = await startRedis()
    redis = new Redis(server.url, { enableOfflineQueue: true })
    publisher = new Publisher({ callBuffer: (c, a) => redis.callBuffer(c, ...a), renew: () => undefined }, systemClock, { historyMs: 60_000, historyBytes: 1e9, prefix: 'p', partitions: 2, stream: 's.v1', sharded: false })
  })

  after(async () => {
    redis.disconnect()
    await server.stop()
  })

  beforeEach(async () => {
    await redis.flushall()
    await publisher.seed(0, E, { offset: 10, fingerprint: 'f10' })
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
    expect(await redis.hgetall(META)).to.deep.equal({
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

  it('does not move head when the batch cannot be appended', async () => {
    await redis.set(LOG, 'not a stream')
    const answer = await publisher.publish(call(10, 12), null)
    expect(answer.kind).to.equal('failed')
    expect(answer.kind === 'failed' && answer.why).to.match(/WRONGTYPE/)
    expect(await redis.hget(META, 'head')).to.equal('10')
  })

  it('refuses with a reason, and head stays, when Redis is full', async () => {
    await redis.config('SET', 'maxmemory', '1mb')
    try {
      expect(await publisher.publish(call(10, 12), null)).to.deep.include({ kind: 'failed' })
      expect(await redis.hget(META, 'head')).to.equal('10')
    } finally {
      await redis.config('SET', 'maxmemory', '0')
    }
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
    const subject = new Publisher(fragile, { prefix: 'p', partitions: 1, stream: 's.v1', sharded: false })
    expect(await subject.publish(call(10, 12), null)).to.deep.equal({ kind: 'lost' })
    await waitFor(() => fragile.status === 'ready', { what: 'the connection' }) // the first call began it
    expect(await subject.publish(call(10, 12), null)).to.deep.equal({ kind: 'OK', head: 12 })
    fragile.disconnect()
    expect(await subject.publish(call(12, 13), null)).to.deep.equal({ kind: 'lost' })
    expect(await subject.metas().catch((error: unknown) => error instanceof Error && error.name)).to.equal(
      'RedisFault',
    )
  })

  it('seeds only what is absent, and empties the log', async () => {
    await publisher.publish(call(10, 12), null)
    expect(await publisher.seed(0, E, { offset: 5, fingerprint: 'f5' })).to.equal(false)
    await redis.del(META)
    expect(await publisher.seed(0, E, { offset: 5, fingerprint: 'f5' })).to.equal(true)
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
