import { keys } from '@wazo-websocketd/shared/redis/layout'
import { expect } from 'chai'
import { startRedisCluster, type RedisCluster } from '../support/redis-cluster.mjs'
import { sleep } from '../support/wait.mjs'
import { Cluster } from '../support/cluster.js'
import { report } from '../support/figures.js'
import { allReady } from '../support/pages.js'
import { rounds } from './support/rounds.js'
import { FLAWLESS, Traffic } from './support/traffic.js'

const TIMES = rounds(1)
const ROUND_MS_MAX = 60_000
const AGAIN_MS_MAX = 10_000
/** After a failover an interval passes in which masters vote for no other replica. */
const VOTES_AGAIN_MS = 3_000
const KEY = keys('wazo-ws', 0).meta

describe('a Redis Cluster of three masters with a replica each, under 200 events a second', function () {
  this.timeout(60_000)
  let cluster: Cluster
  let redis: RedisCluster
  let traffic: Traffic

  before(async () => {
    redis = await startRedisCluster(3, [], { replicas: 1 })
    cluster = await Cluster.start({
      name: 'redis-cluster-failover',
      server: { ...redis.nodes[0]!, stop: () => redis.stop() },
      ...{ ingests: 2, edges: 2, workers: 1 },
      config: { redis: { cluster: redis.addresses } },
    })
  })

  beforeEach(async () => {
    await Promise.all([redis.healed(), allReady(cluster, 20_000)])
    traffic = await Traffic.start(cluster, { perSecond: 200 })
  })

  afterEach(() => traffic.abandon())

  after(() => cluster.stop())

  it(`moves the partition's slot there and back ${TIMES} times, held up at each step: nobody notices`, async function () {
    this.timeout(TIMES * ROUND_MS_MAX)
    const home = await redis.ownerOf(KEY)
    const away = [0, 1, 2].find((node) => node !== home)!
    const held: number[] = []
    for (let time = 0; time < TIMES; time++)
      for (const to of [away, home]) {
        const move = await redis.open(KEY, to)
        try {
          await sleep(1_500)
          held.push(await traffic.caughtUp(AGAIN_MS_MAX)) // interrupted before any key was moved
          await move.keys(1)
          await sleep(500) // its two keys are apart: nobody can run a script over both
          await move.keys()
          await sleep(1_500)
          held.push(await traffic.caughtUp(AGAIN_MS_MAX)) // interrupted with all keys moved
        } finally {
          await move.finish()
        }
        await sleep(500)
        held.push(await traffic.caughtUp(AGAIN_MS_MAX))
        await redis.healed()
      }
    report('ms until all sessions had all, at each step', held)
    expect(await traffic.stop()).to.deep.equal(FLAWLESS)
  })

  it(`hands the partition's master over in order, ${TIMES} times: nobody notices`, async function () {
    this.timeout(TIMES * ROUND_MS_MAX)
    await repeat((from) => redis.failover(from))
  })

  it(`loses the partition's master by SIGKILL, ${TIMES} times: events again within ${AGAIN_MS_MAX / 1000} s, nobody notices`, async function () {
    this.timeout(TIMES * ROUND_MS_MAX)
    await repeat(
      (from) => redis.kill(from),
      (from) => redis.restart(from),
    )
  })

  it(`has the partition's master hang, ${TIMES} times, and come back as a replica: the same`, async function () {
    this.timeout(TIMES * ROUND_MS_MAX)
    const pause = (from: number): void => redis.nodes[from]!.pause()
    const resume = (from: number): void => redis.nodes[from]!.resume()
    await repeat(pause, resume)
  })

  async function repeat(
    fault: (master: number) => unknown,
    amend: (master: number) => unknown = () => undefined,
  ): Promise<void> {
    const promotions: number[] = []
    const again: number[] = []
    for (let time = 0; time < TIMES; time++) {
      await sleep(VOTES_AGAIN_MS)
      const from = await redis.ownerOf(KEY)
      const at = performance.now()
      await fault(from)
      await redis.promoted(KEY, from)
      promotions.push(performance.now() - at)
      await traffic.caughtUp(AGAIN_MS_MAX * 2)
      again.push(performance.now() - at)
      await amend(from)
      await redis.healed()
      await allReady(cluster, 20_000)
    }
    report('ms until the replica had taken over', promotions)
    const { max } = report('ms until all sessions had all', again)
    expect(await traffic.stop()).to.deep.equal(FLAWLESS)
    expect(max).to.be.below(AGAIN_MS_MAX)
  }
})
