import { connect } from 'amqplib'
import { expect } from 'chai'
import { Redis } from 'ioredis'
import { decode } from '@wazo-websocketd/shared/domain/envelope'
import { partitionOf, type BusEvent } from '@wazo-websocketd/shared/domain/event'
import { keys } from '@wazo-websocketd/shared/redis/layout'
import { startLocalIngest, type LocalIngest, type LocalOptions } from './support/local-ingest.js'
import { customEvent, fromTemplate, openPublisher } from '../support/publish.js'
import { sharedRabbit } from '../support/rabbitmq.mjs'
import { startRedis } from '../support/redis.mjs'
import { waitFor } from '../support/wait.mjs'

describe('An ingest that attaches', function () {
  this.timeout(20_000)
  let amqpUrl: string
  let server: Awaited<ReturnType<typeof startRedis>>
  let redis: Redis
  let running: LocalIngest[] = []
  const META = keys('wazo-ws', 0).meta

  before(async () => {
    server = await startRedis()
    redis = new Redis(server.url)
  })

  beforeEach(async () => {
    await redis.flushall()
    amqpUrl = await (await sharedRabbit()).vhost('ingest-attach')
  })

  afterEach(async () => {
    await Promise.all(running.map((ingest) => ingest.stop()))
    running = []
  })

  after(async () => {
    redis.disconnect()
    await server.stop()
  })

  function start(over: Partial<LocalOptions> = {}): LocalIngest {
    const ingest = startLocalIngest({ amqpUrl, redisUrl: server.url, ...over })
    running.push(ingest)
    return ingest
  }

  async function up(ingest: LocalIngest): Promise<string> {
    await waitFor(() => ingest.state() === 'up', { timeoutMs: 10_000, what: 'an ingest that is up' }).catch(
      (error: unknown) => {
        throw new Error(`${String(error)}\n${ingest.log.join('')}`)
      },
    )
    return ingest.epoch()!
  }

  async function stop(ingest: LocalIngest): Promise<void> {
    await ingest.stop()
    running = running.filter((one) => one !== ingest)
  }

  async function logOf(partition: number): Promise<BusEvent[]> {
    const entries = (await redis.xrangeBuffer(keys('wazo-ws', partition).log, '-', '+')) as [
      Buffer,
      Buffer[],
    ][]
    return entries.flatMap(([, fields]) => {
      const batch = decode(fields[1]!)
      return batch.kind === 'batch' ? batch.open() : []
    })
  }

  it('goes on in the same epoch, with what was published while no ingest ran', async () => {
    const first = start()
    const epoch = await up(first)
    await stop(first)
    const publisher = await openPublisher(amqpUrl)
    for (let n = 0; n < 20; n++) publisher.send(customEvent({ name: `e${n}`, requiredAcl: null }))
    await publisher.flush()
    await publisher.close()
    expect(await up(start())).to.equal(epoch)
    expect((await logOf(0)).map(({ name }) => name)).to.deep.equal(
      Array.from({ length: 20 }, (_, n) => `e${n}`),
    )
  })

  it('starts a new epoch when the message at head is another one', async () => {
    const first = start()
    const epoch = await up(first)
    await stop(first)
    await redis.hset(META, 'fingerprint', '0000000000000000')
    const second = start()
    expect(await up(second)).to.not.equal(epoch)
    expect(second.log.join('')).to.contain('"why":"recreated"')
  })

  it('starts a new epoch when the stream no longer reaches back to head', async () => {
    const first = start()
    const epoch = await up(first)
    await stop(first)
    // As if head had been trimmed: the first message that comes lies above it.
    const connection = await connect(amqpUrl)
    const channel = await connection.createChannel()
    await channel.deleteQueue('wazo-websocketd.v1')
    await connection.close()
    await redis.hset(META, 'head', '-1')
    const second = start()
    expect(await up(second)).to.not.equal(epoch)
    expect(second.log.join('')).to.match(/"why":"(trimmed|recreated)"/)
  })

  it('starts a new epoch when the stream was recreated and has not reached head yet', async () => {
    const first = start()
    const epoch = await up(first)
    await stop(first)
    await redis.hset(META, 'head', '1000000')
    const second = start()
    expect(await up(second)).to.not.equal(epoch)
    expect(second.log.join('')).to.contain('"why":"recreated"')
  })

  it('starts a new epoch when the marker is gone, and leaves one marker behind', async () => {
    const first = start()
    const epoch = await up(first)
    await stop(first)
    const connection = await connect(amqpUrl)
    const channel = await connection.createChannel()
    await channel.deleteQueue(`wazo-websocketd.marker.${epoch}`)
    const [a, b] = [start(), start()]
    const next = await up(a)
    await up(b)
    expect(next).to.not.equal(epoch)
    expect(b.epoch()).to.equal(next)
    await channel.checkQueue(`wazo-websocketd.marker.${next}`)
    await connection.close()
    const vhost = new URL(amqpUrl).pathname.slice(1)
    const queues = await (await sharedRabbit()).ctl('list_queues', '-p', vhost, 'name')
    expect(queues.split('\n').filter((name) => name.includes('marker'))).to.deep.equal([
      `wazo-websocketd.marker.${next}`,
    ])
  })

  it('stays passive while another partition count is in force, and takes over when it stands still', async () => {
    const first = start()
    const epoch = await up(first)
    const other = start({ partitions: 2 })
    await new Promise((resolve) => setTimeout(resolve, 1500))
    expect(await redis.hget(META, 'epoch')).to.equal(epoch)
    expect(other.epoch()).to.equal(null)
    const said = other.log.filter((line) => line.includes('passive until it stops'))
    expect(said, 'once, however long it waits').to.have.length(1)
    expect(said[0]).to.contain('"inForce":{"stream":"wazo-websocketd.v1","partitions":1}')
    await stop(first)
    expect(await up(other)).to.not.equal(epoch)
    expect(await redis.hget(META, 'partitions')).to.equal('2')
  })

  it('is passive while a numbering of a form that it does not know is in force, and begins one of its own after it', async function () {
    this.timeout(40_000)
    await redis.hset(META, {
      epoch: 'later',
      head: 5,
      stream: 'wazo-websocketd.v1',
      partitions: 1,
      form: '2',
    })
    let head = 5
    const beat = setInterval(() => void redis.hset(META, 'head', ++head), 500)
    const ingest = start()
    try {
      // Longer than a head has to stand still, and not at the time of a beat.
      await new Promise((resolve) => setTimeout(resolve, 3250))
      const now = String(head)
      expect(await redis.hgetall(META)).to.include({ epoch: 'later', form: '2', head: now })
      expect(await logOf(0)).to.deep.equal([])
      expect(ingest.epoch()).to.equal(null)
      const said = ingest.log.filter((line) => line.includes('passive until it stops'))
      expect(said).to.have.length(1)
      expect(said[0]).to.contain('"form":"2"')
    } finally {
      clearInterval(beat)
    }
    expect(await up(ingest)).to.not.equal('later')
    expect(await redis.hget(META, 'form')).to.equal(null)
  })

  it('takes over the epoch that somebody else started', async () => {
    const ingest = start()
    const epoch = await up(ingest)
    const next = 'b7cb6a9e-0000-4000-8000-000000000000'
    const connection = await connect(amqpUrl)
    const channel = await connection.createChannel()
    await channel.assertQueue(`wazo-websocketd.marker.${next}`, { durable: false })
    await redis.hset(META, 'epoch', next)
    await waitFor(() => ingest.epoch() === next, { what: 'the other epoch' })
    expect(epoch).to.not.equal(next)
    await up(ingest)
    await connection.close()
  })

  it('seeds an emptied Redis in the same epoch, from where it remembers', async () => {
    const ingest = start()
    const epoch = await up(ingest)
    const publisher = await openPublisher(amqpUrl)
    await publisher.publish(customEvent({ name: 'kept', requiredAcl: null }))
    await waitFor(async () => (await logOf(0)).length === 1, { what: 'the event' })
    const [before] = await logOf(0)
    await redis.flushall()
    await publisher.publish(customEvent({ name: 'later', requiredAcl: null }))
    await waitFor(async () => (await logOf(0)).length === 2, { what: 'the history' })
    const after = await logOf(0)
    expect(after.map(({ name }) => name)).to.deep.equal(['kept', 'later'])
    expect(after[0]!.offset).to.equal(before!.offset)
    expect(await redis.hget(META, 'epoch')).to.equal(epoch)
    await publisher.close()
  })

  it('says down while Redis refuses its batches, and recovers by itself', async () => {
    const ingest = start({ timings: { reconnectMaxMs: 200 } })
    await up(ingest)
    await redis.config('SET', 'maxmemory', '1mb')
    try {
      await waitFor(() => ingest.state() === 'down', { what: 'down' })
    } finally {
      await redis.config('SET', 'maxmemory', '0')
    }
    await up(ingest)
    expect(ingest.log.join('')).to.contain('OOM')
  })

  it('spreads tenants over partitions, and tells every partition of a revocation', async () => {
    const [a, b] = [start({ partitions: 3 }), start({ partitions: 3 })]
    await up(a)
    await up(b)
    const publisher = await openPublisher(amqpUrl)
    const tenants = ['t1', 't2', 't3', 't4', 't5', null]
    for (let n = 0; n < 120; n++)
      publisher.send(customEvent({ name: `e${n}`, requiredAcl: null, tenant: tenants[n % 6] ?? null }))
    publisher.send(fromTemplate('auth_session_deleted', { tenant: 't1', session: 'gone' }))
    await publisher.flush()
    await waitFor(
      async () => {
        const logs = await Promise.all([0, 1, 2].map(logOf))
        return logs.every((events) => events.at(-1)?.revokedSession === 'gone')
      },
      { what: 'the revocation everywhere' },
    )
    for (const p of [0, 1, 2]) {
      const events = await logOf(p)
      const expected = []
      for (let n = 0; n < 120; n++) if (partitionOf(tenants[n % 6] ?? null, 3) === p) expected.push(`e${n}`)
      expect(
        events.slice(0, -1).map(({ name }) => name),
        `partition ${p}`,
      ).to.deep.equal(expected)
      expect(events.at(-1)).to.include({ revocationOnly: partitionOf('t1', 3) !== p })
    }
    await publisher.close()
  })
})
