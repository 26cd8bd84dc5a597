import { expect } from 'chai'
import { SENTINEL_NAME, startRedisSentinel, type RedisSentinel } from '../support/redis-sentinel.mjs'
import { sleep } from '../support/wait.mjs'
import { Cluster } from '../support/cluster.js'
import { report, since } from '../support/figures.js'
import { allReady } from '../support/pages.js'
import { rounds } from './support/rounds.js'
import { FLAWLESS, Traffic } from './support/traffic.js'

const TIMES = rounds(1)
const ROUND_MS_MAX = 60_000
const AGAIN_MS_MAX = 10_000
const EXPIRES_MS = 2_000
/** The contract's 2 s, and the way to the client. */
const LATE_MS_MAX = 2_500
const TIMER_MS_MAX = 20_000

describe('a Redis with a replica and three sentinels, under 200 events a second', function () {
  this.timeout(60_000)
  let cluster: Cluster
  let redis: RedisSentinel
  let traffic: Traffic

  before(async () => {
    redis = await startRedisSentinel()
    cluster = await Cluster.start({
      name: 'redis-sentinel',
      server: { ...redis.nodes[0]!, stop: () => redis.stop() },
      ...{ ingests: 2, edges: 2, workers: 1 },
      config: { redis: { sentinels: redis.addresses, sentinel_name: SENTINEL_NAME } },
    })
  })

  beforeEach(async () => {
    await Promise.all([redis.healed(), allReady(cluster, 20_000)])
    traffic = await Traffic.start(cluster, { perSecond: 200 })
  })

  afterEach(() => traffic.abandon())

  after(() => cluster.stop())

  it(`loses its master by SIGKILL, ${TIMES} times: events again within ${AGAIN_MS_MAX / 1000} s, nobody notices`, async function () {
    this.timeout(TIMES * ROUND_MS_MAX)
    await repeat(
      (from) => redis.kill(from),
      (from) => redis.restart(from),
    )
  })

  it(`has its master hang, ${TIMES} times, and come back as a replica: the same`, async function () {
    this.timeout(TIMES * ROUND_MS_MAX)
    const pause = (from: number): void => redis.nodes[from]!.pause()
    const resume = (from: number): void => redis.nodes[from]!.resume()
    await repeat(pause, resume)
  })

  async function repeat(
    fault: (master: number) => unknown,
    amend: (master: number) => unknown,
  ): Promise<void> {
    const promotions: number[] = []
    const again: number[] = []
    for (let time = 0; time < TIMES; time++) {
      await sleep(500)
      const from = await redis.master()
      const at = performance.now()
      await fault(from)
      await redis.promoted(from)
      promotions.push(performance.now() - at)
      await traffic.caughtUp(AGAIN_MS_MAX * 2)
      again.push(performance.now() - at)
      await allReady(cluster)
      await expectExpiryByQueue()
      await amend(from)
      if (time + 1 < TIMES) await Promise.all([redis.healed(), allReady(cluster, 20_000)])
    }
    report('ms until the replica had taken over', promotions)
    const { max } = report('ms until all sessions had all', again)
    expect(await traffic.stop()).to.deep.equal(FLAWLESS)
    expect(max).to.be.below(AGAIN_MS_MAX)
  }

  /**
   * The timer goes on at the new master: it is not for long that a worker's own clock has to help. Meanwhile, too,
   * every token expires on time.
   */
  async function expectExpiryByQueue(): Promise<void> {
    const counted = () => cluster.metric('sessions_expired_total', { source: 'queue' })
    const before = await counted()
    for (const until = performance.now() + TIMER_MS_MAX; ;) {
      const token = cluster.auth.mint({ expiresInMs: EXPIRES_MS })
      const session = await cluster.connect(token.token).start('*')
      expect((await session.closed).code).to.equal(4003)
      expect(since(token.utc_expires_at)).to.be.below(LATE_MS_MAX)
      await sleep(200) // the edge counts it a moment later
      if ((await counted()) > before) return
      if (performance.now() > until) throw new Error(`no token expired by the queue for ${TIMER_MS_MAX} ms`)
    }
  }
})
