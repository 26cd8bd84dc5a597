import { keys } from '@wazo-websocketd/shared/redis/layout'
import { expect } from 'chai'
import { ask } from '../support/redis-ask.mjs'
import { startRedisCluster, type RedisCluster } from '../support/redis-cluster.mjs'
import { ClusterIngest, listeningTo, Watch } from './support/edge-bus-cluster.js'
import { PREFIX, whenLive, type Listening } from './support/edge-bus.js'
import { sleep, waitFor } from '../support/wait.mjs'

const PARTITIONS = 2
const AGAIN_MS_MAX = 10_000
const REPEATS = Number(process.env['EDGE_CLUSTER_REPEATS'] ?? 1)
const LOST_GRACE_MS = 1_500
/** As documented: a node that does not answer is given up within 4 s. */
const NOTICED_MS_MAX = 4_000
const KEY = keys(PREFIX, 0).meta

describe('the bus at the edge, over a Redis Cluster', function () {
  this.timeout(60_000 * REPEATS)
  let redis: RedisCluster
  let ingest: ClusterIngest
  let edge: Listening
  /** By partition. */
  let watches: Watch[]

  before(async () => {
    redis = await startRedisCluster(3, [], { replicas: 1 })
  })
  after(() => redis.stop())

  beforeEach(async () => {
    ingest = await ClusterIngest.start(redis.addresses, PARTITIONS)
    await listen()
  })
  afterEach(async () => {
    edge.stop()
    ingest.stop()
    for (const node of redis.nodes) node.resume()
    await coverage('yes')
    await redis.healed()
  })

  async function listen(redisLostGraceMs = 30_000): Promise<void> {
    edge = listeningTo(redis.addresses, { partitions: PARTITIONS, redisLostGraceMs })
    watches = [new Watch(), new Watch()]
    edge.take = (partition, offset) => watches[partition]!.take(offset)
    await waitFor(() => edge.bus.notReadyReasons().length === 0, { what: 'ready' })
  }

  /** Whether nodes serve their slots while others are not served. */
  async function coverage(needed: 'yes' | 'no'): Promise<void> {
    for (const node of redis.nodes) await ask(node, 'CONFIG', 'SET', 'cluster-require-full-coverage', needed)
  }

  /** Everything comes up to what is published now, without a gap. */
  async function expectAll(partition: number, withinMs = AGAIN_MS_MAX): Promise<void> {
    const { heads } = ingest
    const goal = heads[partition]! + 5
    const all = () => (edge.offset(partition) ?? 0) >= goal
    await waitFor(all, { what: `events of partition ${partition} beyond ${goal}`, timeoutMs: withinMs })
    expect(watches[partition]!.gaps).to.deep.equal([])
  }

  /** The master of a partition, and its replica. */
  async function nodesOf(partition: number): Promise<number[]> {
    const owner = await redis.ownerOf(keys(PREFIX, partition).meta)
    return [owner, ...(await redis.replicasOf(owner))]
  }

  it('hears sharded channels, and reads the log, of partitions in different slots', async () => {
    expect((await nodesOf(0))[0]).not.to.equal((await nodesOf(1))[0])
    await whenLive(edge.bus.lease([0, 1]))
    await expectAll(0)
    await expectAll(1)
    expect(edge.recoveries).to.deep.equal([])
    const epoch = edge.bus.cursor(1)!.epoch
    const seen: number[] = []
    let live = false
    edge.bus.readLog(
      1,
      { epoch, offset: 2 },
      {
        events: (events) => seen.push(...events.map(({ offset }) => offset)),
        live: () => (live = true),
        lost: () => undefined,
        congested: () => false,
      },
    )
    await waitFor(() => live, { what: 'live' })
    expect(seen.slice(0, 3)).to.deep.equal([3, 4, 5])
  })

  // Who survives a frozen master survives a dead one, which says so: only where there is time.
  for (const how of REPEATS > 1 ? (['frozen', 'killed'] as const) : (['frozen'] as const))
    it(`has events again within 10 s after a master was ${how} and its replica promoted, without a loss`, async () => {
      await whenLive(edge.bus.lease([0]))
      for (let n = 0; n < REPEATS; n++) {
        await expectAll(0)
        const [owner] = await nodesOf(0)
        watches[0]!.longestMs = 0
        if (how === 'frozen') redis.nodes[owner!]!.pause()
        else await redis.kill(owner!)
        await redis.promoted(KEY, owner!)
        await expectAll(0)
        console.log(`      longest wait ${Math.round(watches[0]!.longestMs)} ms`)
        expect(watches[0]!.longestMs).to.be.below(AGAIN_MS_MAX)
        if (how === 'frozen') redis.nodes[owner!]!.resume()
        else await redis.restart(owner!)
        await redis.healed()
      }
      await expectAll(0)
      expect(edge.losses).to.deep.equal([])
    })

  it('goes over to the replica in a planned failover', async () => {
    await whenLive(edge.bus.lease([0]))
    await expectAll(0)
    await redis.failover((await nodesOf(0))[0]!)
    await expectAll(0)
    expect([watches[0]!.longestMs < 5_000, edge.losses]).to.deep.equal([true, []])
  })

  it('delivers while a slot is moved, also when that stops half way, and when it is moved back', async () => {
    await whenLive(edge.bus.lease([0]))
    await expectAll(0)
    const from = await redis.ownerOf(KEY)
    const to = (from + 1) % 3
    const move = await redis.open(KEY, to)
    await expectAll(0, 2_000)
    await move.keys()
    for (let n = 0; n < 3; n++) await expectAll(0, 3_000)
    await move.finish()
    await expectAll(0, 3_000)
    await redis.reshard(KEY, from)
    await expectAll(0, 3_000)
    console.log(`      longest wait ${Math.round(watches[0]!.longestMs)} ms`)
    expect([watches[0]!.longestMs < 2_500, edge.losses]).to.deep.equal([true, []])
  })

  describe('without a slot', () => {
    it('serves the partitions of the other nodes, old sessions and new ones; those of the dead one are told', async () => {
      edge.stop()
      await listen(LOST_GRACE_MS)
      await coverage('no')
      await whenLive(edge.bus.lease([0]))
      await whenLive(edge.bus.lease([1]))
      for (const node of await nodesOf(0)) redis.nodes[node]!.pause()
      await sleep(LOST_GRACE_MS)
      expect(edge.losses).to.deep.equal([])
      const told = LOST_GRACE_MS + NOTICED_MS_MAX
      await waitFor(() => edge.losses.length > 0, { what: 'the loss of partition 0', timeoutMs: told })
      await expectAll(1, 1_000)
      expect(watches[1]!.longestMs).to.be.below(1_000)
      expect([edge.lostPartitions, edge.bus.notReadyReasons()]).to.deep.equal([[0], []])

      await whenLive(edge.bus.lease([1]))
      const fresh = listeningTo(redis.addresses, { partitions: PARTITIONS })
      await waitFor(() => fresh.bus.notReadyReasons().length === 0, {
        what: 'readiness of one that has just started',
      })
      await whenLive(fresh.bus.lease([1]))
      fresh.stop()
      for (const node of redis.nodes) node.resume()
      await whenLive(edge.bus.lease([0]))
    })

    it('says that Redis does not serve when a node dies that holds none of its keys', async () => {
      await whenLive(edge.bus.lease([0]))
      await expectAll(0)
      const used = [...(await nodesOf(0)), ...(await nodesOf(1))]
      for (const [index, node] of redis.nodes.entries()) if (!used.includes(index)) node.pause()
      expect(edge.connected).to.equal(true)
      await waitFor(() => !edge.connected, { what: 'not connected', timeoutMs: 5_000 })
      await sleep(2_000)
      expect(edge.connected).to.equal(false)
      const lines = edge.log.filter((line) => line.includes('CLUSTERDOWN'))
      expect(lines).to.have.length.within(1, PARTITIONS)
      expect(edge.bus.notReadyReasons()).to.include('redis: not connected')
      for (const node of redis.nodes) node.resume()
      await waitFor(() => edge.connected, { what: 'connected again' })
      await expectAll(0)
      expect(edge.losses).to.deep.equal([])
    })
  })
})
