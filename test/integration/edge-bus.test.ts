import type { Epoch } from '@wazo-websocketd/shared/domain/position'
import { type Clock, systemClock } from '@wazo-websocketd/shared/runtime/clock'
import { RedisLog } from '@wazo-websocketd/edge/bus/log'
import { expect } from 'chai'
import { Redis } from 'ioredis'
import { startRedis } from '../support/redis.mjs'
import { batch } from '../support/fakes/batches.js'
import { Wire } from '../support/wire.js'
import { callerOf, HandIngest, Listening, PREFIX, whenLive } from './support/edge-bus.js'
import { sleep, waitFor } from '../support/wait.mjs'

type RedisServer = Awaited<ReturnType<typeof startRedis>>

describe('the bus at the edge, over a real Redis', function () {
  this.timeout(30_000)
  let server: RedisServer
  let ingest: HandIngest
  let edge: Listening
  /** What a test opens besides, ended also when it fails. */
  const opened: (() => unknown)[] = []

  beforeEach(async () => {
    server = await startRedis()
    ingest = new HandIngest(server.url)
    await ingest.seed()
    edge = new Listening(server.url)
    ingest.beat()
  })

  afterEach(async () => {
    for (const close of opened.splice(0).reverse()) await close()
    edge.stop()
    ingest.stop()
    await server.stop()
  })

  /** Ends every connection of that name from the server's side. */
  async function killConnections(name: string): Promise<number> {
    const list = (await ingest.redis.client('LIST')) as string
    const ids = list.split('\n').flatMap((line) => {
      const id = /^id=(\d+) .* name=(\S*)/.exec(line)
      return id?.[2] === name && id[1] !== undefined ? [id[1]] : []
    })
    for (const id of ids) await ingest.redis.client('KILL', 'ID', id)
    return ids.length
  }

  it('delivers what is published after a hold, complete and in order', async () => {
    await whenLive(edge.bus.lease([0]))
    for (let i = 0; i < 50; i++) await ingest.publish(i % 4)
    await waitFor(() => edge.offset(0) === ingest.head, { what: 'cursor at head' })
    expect(edge.offsets).to.deep.equal(ingest.sent)
    expect(edge.recoveries).to.deep.equal([])
  })

  it('starts at the head, not in the past', async () => {
    await ingest.publish(3)
    const late = new Listening(server.url)
    opened.push(() => late.stop())
    await whenLive(late.bus.lease([0]))
    expect(late.offset(0)).to.equal(3)
    await ingest.publish(1)
    await waitFor(() => late.offsets.length > 0, { what: 'an event' })
    expect(late.offsets).to.deep.equal([4])
  })

  it('says what is missing until an ingest is up and partition 0 is live', async () => {
    const early = new Listening(server.url)
    opened.push(() => early.stop())
    expect(early.bus.notReadyReasons().join()).to.match(/redis.*no ingest.*partition 0/)
    await waitFor(() => early.bus.notReadyReasons().length === 0, { what: 'ready' })
    expect(early.readiness).to.be.greaterThan(0)
  })

  it('is lost, and says why, when the ingests use another number of partitions', async () => {
    const other = new Listening(server.url, { partitions: 4 })
    opened.push(() => other.stop())
    await waitFor(() => other.losses.length > 0, { what: 'lost' })
    expect(other.losses).to.deep.equal(['another number of partitions is in force'])
    expect(other.bus.notReadyReasons().join()).to.contain('use 1 partitions, not 4 (redis.partitions)')
    expect(edge.losses).to.deep.equal([])
  })

  it('does not hold up Redis when it reads a log of large batches', async () => {
    const log = new RedisLog({ prefix: PREFIX, clock: systemClock, commands: () => callerOf(ingest.redis) })
    for (let i = 0; i < 64; i++) await ingest.write(i, i + 1, Buffer.alloc(1024 * 1024))
    await log.page(0, 0)
    const since = performance.now()
    const { entries } = await log.page(0, 0)
    expect(entries).to.have.length(1)
    expect(performance.now() - since).to.be.below(500)
  })

  it('loses and doubles nothing when its subscriber connection is killed again and again under load', async () => {
    await whenLive(edge.bus.lease([0]))
    let publishing = true as boolean
    const load = (async () => {
      while (publishing) await ingest.publish(3)
    })()
    let killed = 0
    for (let i = 0; i < 5; i++) {
      await sleep(120)
      killed += await killConnections('subscriber')
    }
    await sleep(100)
    publishing = false
    await load
    await waitFor(() => edge.offset(0) === ingest.head, { what: 'cursor at head' })
    expect(killed).to.be.at.least(3)
    expect(edge.offsets).to.deep.equal(ingest.sent)
    expect(edge.losses).to.deep.equal([])
    expect(edge.recoveries.length).to.be.greaterThan(0)
  })

  it('reads the log over a fresh connection when that for commands is killed as well', async () => {
    await whenLive(edge.bus.lease([0]))
    await killConnections('commands')
    await killConnections('subscriber')
    await ingest.publish(5)
    await waitFor(() => edge.offset(0) === 5, { what: 'cursor at head' })
    expect(edge.offsets).to.deep.equal([1, 2, 3, 4, 5])
  })

  it('drops batches that come twice', async () => {
    await whenLive(edge.bus.lease([0]))
    await ingest.publish(2)
    const [entry] = await ingest.redis.xrangeBuffer(ingest.names.log, '-', '+')
    for (let i = 0; i < 3; i++) await ingest.redis.publish(ingest.names.live, entry![1][1]!)
    await ingest.publish(1)
    await waitFor(() => edge.offset(0) === 3, { what: 'cursor at head' })
    expect(edge.offsets).to.deep.equal([1, 2, 3])
  })

  it('is lost with a new epoch, and serves again under it', async () => {
    await whenLive(edge.bus.lease([0]))
    await ingest.publish(2)
    await ingest.newEpoch('epoch-2')
    await ingest.publish(1)
    await waitFor(() => edge.losses.length > 0, { what: 'a loss' })
    await whenLive(edge.bus.lease([0]))
    await ingest.publish(1)
    await waitFor(() => edge.offsets.at(-1) === 4, { what: 'the next event' })
    expect(edge.losses).to.deep.equal(['a new epoch began'])
    expect(edge.offsets).to.deep.equal([1, 2, 4])
  })

  it('hears of a new epoch from the states alone', async () => {
    await whenLive(edge.bus.lease([0]))
    await ingest.newEpoch('epoch-2')
    await waitFor(() => edge.losses.length > 0, { what: 'a loss' })
    expect(edge.losses).to.deep.equal(['a new epoch began'])
  })

  it('is neither kept alive nor disturbed by the ingest of another deployment on the same channels', async () => {
    const other = new HandIngest(server.url)
    opened.push(() => other.stop())
    other.epoch = 'epoch-other' as Epoch
    await whenLive(edge.bus.lease([0]))
    await waitFor(() => edge.bus.notReadyReasons().length === 0, { what: 'ready' })
    for (let i = 1; i <= 20; i++) {
      other.beat()
      await ingest.redis.publish(ingest.names.live, Buffer.from(batch(i, i + 1, [i + 1], other.epoch)))
      await ingest.publish(1)
    }
    await waitFor(() => edge.offset(0) === 20, { what: 'cursor at head' })
    expect(edge.offsets).to.deep.equal(ingest.sent)
    expect(edge.recoveries.length, 'one look, which may find what is on its way').to.be.at.most(1)
    ingest.silence()
    await waitFor(() => edge.bus.notReadyReasons().includes('bus: no ingest is up (silent)'), {
      what: 'the silence',
      timeoutMs: 5_000,
    })
    expect(edge.losses).to.deep.equal([])
  })

  it('is lost when the log was trimmed beyond the cursor while it was cut off', async () => {
    await whenLive(edge.bus.lease([0]))
    await ingest.publish(1)
    await waitFor(() => edge.offset(0) === 1, { what: 'cursor at head' })
    const { meta, log } = ingest.names
    await ingest.redis
      .multi()
      .call('CLIENT', 'KILL', 'TYPE', 'pubsub')
      .hset(meta, 'head', (ingest.head = 7))
      .xtrim(log, 'MAXLEN', 0)
      .exec()
    await waitFor(() => edge.losses.length > 0, { what: 'a loss' })
    expect(edge.losses).to.deep.equal(['the log was trimmed'])
    await whenLive(edge.bus.lease([0]))
    await ingest.publish(1)
    await waitFor(() => edge.offsets.length > 1, { what: 'the next event' })
    expect(edge.offsets).to.deep.equal([1, 8])
  })

  it('notices within 4 s that its connections are half-open, and reads what it missed', async () => {
    const wire = await Wire.to(server.port)
    const remote = new Listening(`redis://127.0.0.1:${wire.port}`)
    opened.push(
      () => wire.refuse(),
      () => remote.stop(),
    )
    await whenLive(remote.bus.lease([0]))
    await ingest.publish(1)
    await waitFor(() => remote.offset(0) === 1, { what: 'cursor at head' })
    wire.cut()
    await wire.heal() // new connections work
    const from = Date.now()
    await ingest.publish(4)
    await waitFor(() => remote.offset(0) === 5, { what: 'caught up', timeoutMs: 5_000 })
    expect(Date.now() - from).to.be.below(4_200) // noticed within 4 s, then a reconnect
    expect(remote.offsets).to.deep.equal([1, 2, 3, 4, 5])
    expect(remote.losses).to.deep.equal([])
  })

  it('finds by the states that a batch never came, and reads it', async () => {
    await whenLive(edge.bus.lease([0]))
    await ingest.redis.xadd(ingest.names.log, '1-1', 'b', Buffer.from(batch(0, 1, [1], ingest.epoch)))
    await ingest.redis.hset(ingest.names.meta, 'head', (ingest.head = 1))
    await waitFor(() => edge.offsets.length > 0, { what: 'the event', timeoutMs: 4_000 })
    expect(edge.offsets).to.deep.equal([1])
    expect(edge.recoveries).to.deep.equal(['recovered'])
  })

  it('keeps everything through a freeze of Redis of 5 s, caught up within 2 s after it', async () => {
    await whenLive(edge.bus.lease([0]))
    await ingest.publish(2)
    await waitFor(() => edge.offset(0) === 2, { what: 'cursor at head' })
    server.pause()
    const stuck = ingest.publish(3)
    await sleep(5_000)
    server.resume()
    await stuck
    await waitFor(() => edge.offset(0) === 5, { what: 'caught up', timeoutMs: 2_000 })
    expect(edge.offsets).to.deep.equal([1, 2, 3, 4, 5])
    expect(edge.losses).to.deep.equal([])
  })

  it('waits for an empty Redis to be filled again, and drops what it has', async () => {
    await whenLive(edge.bus.lease([0]))
    for (let i = 0; i < 4; i++) await ingest.publish(2)
    await waitFor(() => edge.offset(0) === 8, { what: 'cursor at head' })
    await server.kill()
    server = await startRedis({ port: server.port })
    await sleep(600)
    expect(edge.losses).to.deep.equal([])
    ingest.head = 4
    await ingest.seed()
    await ingest.publish(4)
    await ingest.publish(2)
    await waitFor(() => edge.offset(0) === 10, { what: 'cursor at head' })
    expect(edge.offsets).to.deep.equal([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    expect(edge.losses).to.deep.equal([])
  })

  it('is lost when Redis stays away longer than the grace, and says so once', async () => {
    edge.stop()
    edge = new Listening(server.url, { redisLostGraceMs: 700 })
    await whenLive(edge.bus.lease([0]))
    await server.kill()
    await waitFor(() => edge.losses.length > 0, { what: 'a loss', timeoutMs: 2_500 })
    await sleep(800)
    expect(edge.losses).to.have.length(1)
    expect(edge.bus.notReadyReasons().join()).to.match(/redis: not connected/)
    server = await startRedis({ port: server.port })
    await ingest.seed()
    await whenLive(edge.bus.lease([0]))
    await ingest.publish(1)
    await waitFor(() => edge.offsets.length > 0, { what: 'an event' })
  })

  it('is lost when the ingests say for 2 s that the broker is gone, and ready again when one is up', async () => {
    await whenLive(edge.bus.lease([0]))
    await waitFor(() => edge.bus.notReadyReasons().length === 0, { what: 'ready' })
    ingest.state = 'down'
    const from = Date.now()
    await waitFor(() => edge.losses.length > 0, { what: 'a loss' })
    expect(Date.now() - from).to.be.within(1_900, 3_500)
    expect(edge.bus.notReadyReasons().join()).to.match(/no ingest is up \(down\)/)
    ingest.state = 'up'
    await waitFor(() => edge.bus.notReadyReasons().length === 0, { what: 'ready' })
    expect(edge.losses).to.have.length(1)
  })

  it('is not live on messages of an unknown version, and says which it met', async () => {
    await whenLive(edge.bus.lease([0]))
    ingest.silence()
    await ingest.write(0, 1, Buffer.from([9, 1, 2, 3]))
    await waitFor(() => edge.losses.length > 0, { what: 'a loss' })
    expect(edge.losses[0]).to.match(/version 9/)
    await sleep(300)
    expect(edge.bus.notReadyReasons().join()).to.match(/partition 0: envelope version 9/)
    ingest.head = 1
    ingest.beat()
    await ingest.publish(1)
    await waitFor(() => edge.bus.notReadyReasons().length === 0, { what: 'ready' })
    expect(edge.losses).to.have.length(1)
  })

  it('brings a session that is behind up to the cursor under live traffic, without a gap or a doubled event', async () => {
    await whenLive(edge.bus.lease([0]))
    for (let i = 0; i < 300; i++) await ingest.publish(2)
    let publishing = true as boolean
    const load = (async () => {
      while (publishing) await ingest.publish(2)
    })()
    await waitFor(() => (edge.offset(0) ?? 0) >= 600, { what: 'the past' })
    const seen: number[] = []
    let live = false
    edge.onEvents = (events) => {
      if (live) seen.push(...events.map(({ offset }) => offset))
    }
    let lost = false
    edge.bus.readLog(
      0,
      { epoch: ingest.epoch, offset: 10 },
      {
        events: (events) => seen.push(...events.map(({ offset }) => offset)),
        live: () => {
          expect(seen.at(-1)).to.equal(edge.offset(0))
          live = true
        },
        lost: () => (lost = true),
        congested: () => false,
      },
    )
    await waitFor(() => live, { what: 'live' })
    await sleep(200)
    publishing = false
    await load
    await waitFor(() => edge.offset(0) === ingest.head, { what: 'cursor at head' })
    expect(seen).to.deep.equal(ingest.sent.filter((offset) => offset > 10))
    expect(lost).to.equal(false)
  })

  it('tells a session that is behind when the log does not reach back to it', async () => {
    await whenLive(edge.bus.lease([0]))
    await ingest.publish(1)
    await ingest.publish(1)
    await ingest.publish(1)
    await ingest.redis.xtrim(ingest.names.log, 'MAXLEN', 1)
    await waitFor(() => edge.offset(0) === 3, { what: 'cursor at head' })
    let outcome = ''
    edge.bus.readLog(
      0,
      { epoch: ingest.epoch, offset: 0 },
      {
        events: () => (outcome = 'events'),
        live: () => (outcome = 'live'),
        lost: (loss) => (outcome = `lost: ${loss}`),
        congested: () => false,
      },
    )
    await waitFor(() => outcome !== '', { what: 'an outcome' })
    expect(outcome).to.equal('lost: log')
  })

  it('follows several partitions, and each only while somebody holds it', async () => {
    const second = new HandIngest(server.url, 1)
    opened.push(() => second.stop())
    await second.seed()
    const hold = edge.bus.lease([0, 1])
    await whenLive(hold)
    await second.publish(2)
    await waitFor(() => edge.offset(1) === 2, { what: 'cursor of partition 1' })
    expect(edge.offsets).to.deep.equal([1, 2])
    expect(edge.offset(2)).to.equal(null)
    hold.release()
    hold.release()
  })

  it('notices that the channel of one partition is no longer subscribed, and hears it again', async () => {
    const second = new HandIngest(server.url, 1)
    opened.push(() => second.stop())
    await second.seed()
    ingest.heads = [0, 0]
    const clients: Redis[] = []
    const create = (): Redis => {
      const client = new Redis(server.url, { retryStrategy: () => null, maxRetriesPerRequest: null })
      clients.push(client)
      return client
    }
    const far = new Listening(server.url, { partitions: 2 }, { create })
    opened.push(() => far.stop())
    await whenLive(far.bus.lease([1]))
    const { live } = second.names
    const subscribed = async () => ((await ingest.redis.pubsub('NUMSUB', live)) as [string, number])[1]
    for (const client of clients) await client.unsubscribe(live)
    expect(await subscribed()).to.equal(0)

    for (let tenths = 0; tenths < 80 && (await subscribed()) === 0; tenths++) {
      if (tenths % 10 === 0) await second.publish(1)
      ingest.heads = [0, second.head]
      await sleep(100)
    }
    expect(await subscribed()).to.equal(1)
    await second.publish(1)
    await waitFor(() => far.offsets.length === second.sent.length, { what: 'everything', timeoutMs: 200 })
    expect([far.offsets, far.losses]).to.deep.equal([second.sent, []])
  })

  it('leaves a partition that nobody has held for 30 s, and comes back to it at its head', async () => {
    const second = new HandIngest(server.url, 1)
    opened.push(() => second.stop())
    await second.seed()
    const hasty: Clock = {
      ...systemClock,
      after: (delay, task) => systemClock.after(delay === 30_000 ? 100 : delay, task),
    }
    const brief = new Listening(server.url, { clock: hasty })
    opened.push(() => brief.stop())
    const hold = brief.bus.lease([0, 1])
    await whenLive(hold)
    hold.release()
    const again = brief.bus.lease([1])
    await whenLive(again)
    await sleep(300)
    expect(brief.offset(1)).to.equal(0)
    again.release()
    await waitFor(() => brief.offset(1) === null, { what: 'left' })
    expect(await ingest.redis.pubsub('NUMSUB', second.names.live)).to.deep.equal([second.names.live, 0])
    expect(brief.offset(0)).to.equal(0)
    await second.publish(3)
    await whenLive(brief.bus.lease([1]))
    expect([brief.offset(1), brief.offsets]).to.deep.equal([3, []])
  })
})
