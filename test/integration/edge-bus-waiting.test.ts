import { expect } from 'chai'
import { Redis } from 'ioredis'
import { startRedis } from '../support/redis.mjs'
import { HandIngest, Listening, whenLive } from './support/edge-bus.js'
import { sleep, waitFor } from '../support/wait.mjs'

const GRACE_MS = 700

describe('waiting for the bus at the edge, over a real Redis', function () {
  this.timeout(30_000)
  let server: Awaited<ReturnType<typeof startRedis>>
  let ingest: HandIngest
  let edge: Listening | undefined

  beforeEach(async () => {
    server = await startRedis()
    ingest = new HandIngest(server.url)
    await ingest.seed()
    ingest.beat()
  })

  afterEach(async () => {
    edge?.stop()
    ingest.stop()
    await server.stop()
  })

  it('gives up a partition that cannot be read within the grace as long as somebody waits, and serves the others', async () => {
    ingest.heads = [0, 0]
    edge = new Listening(server.url, { partitions: 2, redisLostGraceMs: GRACE_MS })
    const { bus, losses } = edge
    await waitFor(() => bus.notReadyReasons().length === 0, { what: 'ready' })
    const hold = bus.lease([0, 1])
    hold.whenLive(() => undefined)
    await waitFor(() => losses.length > 0, { what: 'a loss', timeoutMs: GRACE_MS + 500 })
    expect([bus.notReadyReasons(), edge.lostPartitions]).to.deep.equal([[], [1]])
    await waitFor(() => losses.length > 1, { what: 'another loss', timeoutMs: GRACE_MS + 500 })
    hold.release()
    await sleep(2 * GRACE_MS)
    expect(losses).to.have.length(2)
  })

  it('never tells a hold that was given back', async () => {
    ingest.heads = [0, 0]
    edge = new Listening(server.url, { partitions: 2 })
    let live = 0
    const [first, second] = [edge.bus.lease([1]), edge.bus.lease([1])]
    const told = [first, second].map((hold) => whenLive(hold).then(() => live++))
    await sleep(300)
    first.release()
    const late = new HandIngest(server.url, 1)
    await late.seed()
    await told[1]
    await sleep(50)
    late.stop()
    expect(live).to.equal(1)
  })

  it('is live for nobody while the bus is lost: who asks then is told of the loss, or waits until it is back', async () => {
    edge = new Listening(server.url, { lostGraceMs: 300 })
    const { bus, losses } = edge
    await whenLive(bus.lease([0]))
    ingest.state = 'down'
    await waitFor(() => losses.length > 0, { what: 'a loss' })
    await sleep(300)
    expect(losses).to.have.length(1)
    let live = false
    const hold = bus.lease([0])
    const told = whenLive(hold).then(() => (live = true))
    await waitFor(() => losses.length > 1, { what: 'a loss for those that wait', timeoutMs: 1_500 })
    await sleep(300)
    expect(live).to.equal(false)
    ingest.state = 'up'
    await told
    const before = losses.length
    await sleep(300)
    expect(losses).to.have.length(before)
  })

  it('hears of the silence of the ingests only once its subscription is confirmed', async () => {
    let delay = 0
    const create = (): Redis => {
      const client = new Redis(server.url, { retryStrategy: () => null, maxRetriesPerRequest: null })
      const subscribe = client.subscribe.bind(client) as (channel: string) => Promise<unknown>
      client.subscribe = (async (channel: string) => {
        await sleep(delay)
        return subscribe(channel)
      }) as typeof client.subscribe
      return client
    }
    edge = new Listening(server.url, { silenceGraceMs: 1_000 }, { create })
    const { bus, losses } = edge
    await whenLive(bus.lease([0]))
    await waitFor(() => bus.notReadyReasons().length === 0, { what: 'ready' })
    delay = 4_000
    await ingest.redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
    await waitFor(() => bus.notReadyReasons().includes('partition 0: not subscribed'), {
      what: 'the interruption',
    })
    await waitFor(() => bus.notReadyReasons().length === 0, { what: 'ready again', timeoutMs: 8_000 })
    expect(losses).to.deep.equal([])
    ingest.silence()
    await waitFor(() => losses.length > 0, { what: 'a loss by silence', timeoutMs: 6_000 })
  })
})
