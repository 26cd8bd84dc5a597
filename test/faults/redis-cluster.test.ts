import { createHash } from 'node:crypto'
import { Cluster as RedisClient } from 'ioredis'
import { keys } from '@wazo-websocketd/shared/redis/layout'
import { partitionOf } from '@wazo-websocketd/shared/domain/event'
import { expect } from 'chai'
import { startRedisCluster, type RedisCluster } from '../support/redis-cluster.mjs'
import { sleep, waitFor } from '../support/wait.mjs'
import { Cluster } from '../support/cluster.js'
import { numbered, range, taken } from '../support/numbered.js'
import { FLAWLESS, Traffic } from './support/traffic.js'

const NODES = 3
const PARTITIONS = 3
const PREFIX = 'wazo-ws'
const DOWN_MS = 4_000
const BACK_MS_MAX = 15_000

describe('the whole path over a Redis Cluster of three masters, with three partitions', function () {
  this.timeout(90_000)
  let cluster: Cluster
  let redis: RedisCluster
  let reader: RedisClient
  /** By partition. */
  const tenants = Array.from({ length: PARTITIONS }, (_, p) => tenantOf(p))

  before(async () => {
    redis = await startRedisCluster(NODES)
    cluster = await Cluster.start({
      name: 'redis-cluster',
      server: { ...redis.nodes[0]!, stop: () => redis.stop() },
      ingests: 2,
      workers: 1,
      config: { redis: { cluster: redis.addresses, partitions: PARTITIONS } },
    })
    const nodes = redis.nodes.map(({ port }) => ({ host: '127.0.0.1', port }))
    reader = new RedisClient(nodes)
  })

  after(async () => {
    reader.disconnect()
    await cluster.stop()
  })

  it('spreads the partitions over different nodes', async () => {
    const owners = await Promise.all(range(0, PARTITIONS - 1).map((p) => redis.ownerOf(keys(PREFIX, p).meta)))
    expect(new Set(owners).size).to.be.above(1)
    const heads = await Promise.all(
      range(0, PARTITIONS - 1).map((p) => reader.hget(keys(PREFIX, p).meta, 'head')),
    )
    expect(heads.every((head) => Number(head) >= 0 && head !== null)).to.equal(true)
  })

  it('brings the events of each tenant to its sessions, over sharded channels, in order', async () => {
    const sessions = await Promise.all(
      tenants.map((tenant) => cluster.connect(cluster.auth.mint({ tenant }).token).start('numbered')),
    )
    for (let n = 0; n < 300; n++) cluster.publisher.send(numbered(n, { tenant: tenants[n % PARTITIONS]! }))
    await cluster.publisher.flush()
    await waitFor(() => sessions.every(({ waiting }) => waiting >= 100), { what: 'all events' })
    for (const [p, session] of sessions.entries())
      expect(taken(session)).to.deep.equal(range(0, 299).filter((n) => n % PARTITIONS === p))
    const batches = await Promise.all(range(0, PARTITIONS - 1).map((p) => reader.xlen(keys(PREFIX, p).log)))
    expect(Math.min(...batches)).to.be.above(0)
    await Promise.all(sessions.map((session) => session.close()))
  })

  it('ends sessions by the queue of token expiry, whose keys lie in one slot', async () => {
    const token = cluster.auth.mint({ expiresInMs: 3_000 })
    const session = await cluster.connect(token.token).start('*')
    const job = `{${PREFIX}}:token-expiry:t${createHash('sha256').update(token.token).digest('hex')}`
    await waitFor(async () => (await reader.exists(job)) === 1, { what: 'the job' })
    expect((await session.closed).code).to.equal(4003)
    await waitFor(async () => (await cluster.metric('sessions_expired_total', { source: 'queue' })) === 1, {
      what: 'the end to be counted',
    })
    expect(await cluster.metric('sessions_expired_total', { source: 'backstop' })).to.equal(0)
  })

  for (const owner of range(0, NODES - 1))
    it(`gets over the death of master ${owner}, which comes back empty: nothing lost, nothing doubled`, async () => {
      const traffic = await Traffic.start(cluster, { perSecond: 200 })
      await sleep(1_000)
      await redis.kill(owner)
      await sleep(DOWN_MS)
      expect(traffic.endings).to.deep.equal([])
      await redis.restart(owner)
      const took = await traffic.caughtUp(BACK_MS_MAX)
      console.log(`      caught up ${Math.round(took)} ms after the cluster served again`)
      expect(await traffic.stop()).to.deep.equal(FLAWLESS)
      const fresh = await cluster.connect(cluster.auth.mint().token).start('numbered')
      await cluster.publisher.publish(numbered(1))
      expect((await fresh.next())['op']).to.equal('event')
      await fresh.close()
    })
})

/** A tenant whose events go to a partition. */
function tenantOf(partition: number): string {
  for (let n = 0; ; n++) {
    const tenant = `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`
    if (partitionOf(tenant, PARTITIONS) === partition) return tenant
  }
}
