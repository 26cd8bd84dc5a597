import { keys } from '@wazo-websocketd/shared/redis/layout'
import { expect } from 'chai'
import { ask } from '../support/redis-ask.mjs'
import { startRedisCluster, type RedisCluster } from '../support/redis-cluster.mjs'
import { sleep, waitFor } from '../support/wait.mjs'
import { Cluster } from '../support/cluster.js'
import type { Client } from '../support/client.js'
import { numbered, range } from '../support/numbered.js'
import { allReady, portOf } from '../support/pages.js'
import { tenantOf } from './support/partitions.js'
import { FLAWLESS, Traffic } from './support/traffic.js'

const NODES = 3
const PARTITIONS = 2
const LOST_GRACE_S = 3
const BUS_GRACE_S = 1
const ENDED_MS_MAX = (LOST_GRACE_S + BUS_GRACE_S) * 1_000 + 6_000
const TOLD_MS_MAX = 3_000
/** It takes a while to publish so many again: who comes then must not get the rest of them. */
const [OLDER_EVENTS, OLDER_BYTES] = [2_000, 20_000]
const [LATER, LATER_MS_MAX] = [50, 15_000]
const RATE = { perSecond: 100, sessions: 1 }

describe('a Redis Cluster of three masters without replicas, with two partitions, one of which dies', function () {
  this.timeout(60_000)
  let cluster: Cluster
  let redis: RedisCluster
  /** Of each partition, and of the rest. */
  const owners: number[] = []
  let nobody: number
  const traffics: Traffic[] = []

  before(async () => {
    redis = await startRedisCluster(NODES, ['--cluster-require-full-coverage', 'no'])
    const prefix = await prefixOn(1)
    for (let p = 0; p < PARTITIONS; p++) owners.push(await redis.ownerOf(keys(prefix, p).meta))
    nobody = [0, 1, 2].find((node) => !owners.includes(node))!
    cluster = await Cluster.start({
      name: 'redis-cluster-outage',
      server: { ...redis.nodes[0]!, stop: () => redis.stop() },
      ...{ ingests: 2, edges: 1, workers: 1 },
      config: {
        redis: { prefix, cluster: redis.addresses, partitions: PARTITIONS, lost_grace: LOST_GRACE_S },
        bus: { lost_grace: BUS_GRACE_S },
      },
    })
  })

  beforeEach(() => allReady(cluster, 20_000))

  afterEach(() => Promise.all(traffics.splice(0).map((traffic) => traffic.abandon())))

  after(() => cluster.stop())

  it('has its partitions on different masters', () => {
    expect(new Set(owners).size).to.equal(PARTITIONS)
  })

  it('serves nobody when a master without keys of ours stops the whole of it: the log and a metric say so, 1011 after the grace, then service', async () => {
    await requireFullCoverage('yes')
    const running = [await begin(0), await begin(1)]
    await sleep(500)
    const since = cluster.ingests.map((ingest) => ingest.logs().length)
    const said = () => cluster.ingests.map((ingest, i) => ingest.logs().slice(since[i])).join('\n')
    await redis.kill(nobody)
    try {
      await waitFor(() => /"level":"(warning|error)".*CLUSTERDOWN/.test(said()), {
        timeoutMs: TOLD_MS_MAX + 2_000, // the others give it up after a second and more
        what: 'a line in the log',
      })
      await waitFor(async () => (await connected()).every((value) => value === 0), {
        timeoutMs: TOLD_MS_MAX,
        what: 'redis_connected to be 0',
      })
      for (const traffic of running)
        for (const { code } of await traffic.ended(ENDED_MS_MAX)) expect(code).to.equal(1011)
    } finally {
      await redis.restart(nobody)
      await requireFullCoverage('no')
    }
    await Promise.all(running.map((traffic) => traffic.abandon()))
    await allReady(cluster, 20_000)
    expect(await connected()).to.deep.equal([1, 1])
    for (const partition of [0, 1]) await expectServed(partition)
  })

  for (const sick of [1, 0])
    it(`serves a tenant of the other one while partition ${sick} is away; its own get 1011 after the grace`, async () => {
      const [ill, well] = [await begin(sick), await begin(1 - sick)]
      await sleep(500)
      await redis.kill(owners[sick]!)
      const diedAt = performance.now()
      try {
        for (const { code } of await ill.ended(ENDED_MS_MAX)) expect(code).to.equal(1011)
        expect(performance.now() - diedAt).to.be.above(LOST_GRACE_S * 1_000 - 500)
        const behind = await well.caughtUp(3_000)
        console.log(`      the other one is at most ${Math.round(behind)} ms behind`)
        expect(well.endings).to.deep.equal([])
      } finally {
        await redis.restart(owners[sick]!)
      }
      await ill.abandon()
      await allReady(cluster, 20_000)
      await expectServed(sick)
      expect(await well.stop()).to.deep.equal(FLAWLESS)
    })

  for (const partition of [1, 0])
    it(`sends nothing from before to those who come after partition ${partition} was away and lost its data`, async () => {
      const tenant = tenantOf(partition, PARTITIONS)
      const { token } = cluster.auth.mint({ tenant })
      const old = await cluster.connect(token, { version: 2 }).start('older')
      const pad = 'x'.repeat(OLDER_BYTES)
      for (let n = 0; n < OLDER_EVENTS; n += 100)
        await cluster.publisher.publish(
          ...range(n, n + 99).map((i) => numbered(i, { name: 'older', tenant, data: { n: i, pad } })),
        )
      await waitFor(() => old.waiting === OLDER_EVENTS, { timeoutMs: 15_000, what: 'all to arrive' })
      await redis.kill(owners[partition]!)
      expect((await old.closed).code).to.equal(1011)
      await redis.restart(owners[partition]!)
      const later: Client[] = []
      const until = performance.now() + LATER_MS_MAX
      while (later.length < LATER && performance.now() < until) {
        const client = cluster.connect(token, { version: 2 })
        await client.start('older').then(
          (started) => later.push(started),
          () => undefined,
        )
        await sleep(20)
      }
      await allReady(cluster, 20_000)
      await expectServed(partition)
      expect(later.length).to.equal(LATER)
      expect(later.map((client) => client.waiting)).to.deep.equal(later.map(() => 0))
      await Promise.all(later.map((client) => client.close()))
    })

  async function begin(partition: number, name = 'numbered'): Promise<Traffic> {
    const tenant = tenantOf(partition, PARTITIONS)
    const traffic = await Traffic.start(cluster, { ...RATE, tenant, name })
    traffics.push(traffic)
    return traffic
  }

  async function requireFullCoverage(whether: 'yes' | 'no'): Promise<void> {
    for (const node of redis.nodes) await ask(node, 'CONFIG', 'SET', 'cluster-require-full-coverage', whether)
  }

  /** Soon: an edge may be ready for others before it is for the sessions of this partition. */
  async function expectServed(partition: number): Promise<void> {
    const started = () => begin(partition, 'afterwards').catch(() => null)
    const traffic = await waitFor(started, { timeoutMs: 10_000, everyMs: 200, what: 'sessions to start' })
    await sleep(500)
    expect(await traffic.stop()).to.deep.equal(FLAWLESS)
  }

  /** What each ingest says of its connection to Redis. */
  function connected(): Promise<number[]> {
    return Promise.all(
      cluster.ingests.map(async (ingest) => {
        const page = await (await fetch(`http://127.0.0.1:${portOf(ingest)}/metrics`)).text()
        return Number(/redis_connected\{[^}]*\} (\d)/.exec(page)?.[1])
      }),
    )
  }

  /** A prefix whose own keys, those of the timer and of drains, lie with those of a partition. */
  async function prefixOn(partition: number): Promise<string> {
    const owner = await redis.ownerOf(`{${partition}}`)
    for (let n = 0; ; n++) if ((await redis.ownerOf(`{wazo-ws-${n}}`)) === owner) return `wazo-ws-${n}`
  }
})
