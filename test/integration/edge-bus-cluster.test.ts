import { expect } from 'chai'
import { Cluster } from 'ioredis'
import { startRedis } from '../support/redis.mjs'
import { HandIngest, Listening, sleep, until, whenLive } from './edge-bus.support.js'

describe('the bus at the edge, over a Redis Cluster', function () {
  this.timeout(30_000)
  const opened: (() => unknown)[] = []

  afterEach(async () => {
    for (const close of opened.splice(0).reverse()) await close()
  })

  it('hears sharded channels, and reads the log, of partitions in different slots', async () => {
    const server = await startRedis({
      args: ['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1'],
    })
    opened.push(() => server.stop())
    const ingests = [0, 1].map((partition) => new HandIngest(server.url, partition, 'SPUBLISH'))
    opened.push(() => ingests.map((ingest) => ingest.stop()))
    await ingests[0]!.redis.call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383')
    let state = ''
    const ask = async (): Promise<void> => {
      state = String(await ingests[0]!.redis.call('CLUSTER', 'INFO'))
    }
    for (let i = 0; i < 100 && !state.includes('cluster_state:ok'); i++) await sleep(50).then(ask)
    for (const ingest of ingests) await ingest.seed()
    const connect = () =>
      new Cluster([{ host: '127.0.0.1', port: server.port }], { shardedSubscribers: true })
    const edge = new Listening(server.url, {}, connect)
    opened.push(() => edge.stop())
    await whenLive(edge.bus.hold([0, 1]))
    for (const ingest of ingests) for (let i = 0; i < 5; i++) await ingest.publish(2)
    await until(() => edge.offset(0) === 10 && edge.offset(1) === 10, 'both at their heads')
    expect(edge.offsets.toSorted((a, b) => a - b)).to.deep.equal(
      [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].flatMap((offset) => [offset, offset]),
    )
    expect(edge.recoveries).to.deep.equal([])
    const seen: number[] = []
    let live = false
    edge.bus.catchUp(
      1,
      { epoch: ingests[1]!.epoch, offset: 4 },
      {
        events: (events) => seen.push(...events.map(({ offset }) => offset)),
        live: () => (live = true),
        lost: () => undefined,
        congested: () => false,
      },
    )
    await until(() => live, 'live')
    expect(seen).to.deep.equal([5, 6, 7, 8, 9, 10])
  })
})
