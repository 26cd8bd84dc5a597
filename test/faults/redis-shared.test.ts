import { expect } from 'chai'
import { startRedis } from '../support/redis.mjs'
import { sleep } from '../support/wait.mjs'
import { Cluster, type Server } from '../support/cluster.js'
import { allReady } from '../support/pages.js'
import { FLAWLESS, Traffic } from './support/traffic.js'

const SILENCE_GRACE_S = 2
const ENDED_MS_MAX = SILENCE_GRACE_S * 1_000 + 6_000
const WATCHED_MS = 4_000
const RATE = { perSecond: 20, sessions: 1 }

describe('two deployments with databases of their own in one Redis', function () {
  this.timeout(60_000)
  let server: Server
  let deployments: readonly [Cluster, Cluster]

  before(async () => {
    server = await startRedis()
    const deployment = (database: number) =>
      Cluster.start({
        name: `redis-shared-${database}`,
        server: { ...server, stop: () => Promise.resolve() },
        ...{ ingests: 1, edges: 1, workers: 1 },
        config: {
          redis: { url: `${server.url}/${database}` },
          bus: { silence_grace: SILENCE_GRACE_S },
        },
      })
    deployments = await Promise.all([deployment(0), deployment(1)])
  })

  after(async () => {
    await Promise.all(deployments.map((each) => each.stop()))
    await server.stop()
  })

  it('do not see each other: no recovery while both run, and 1011 for one alone when its ingest has ended', async () => {
    const [first, second] = deployments
    await Promise.all(deployments.map((each) => allReady(each)))
    const [ended, running] = [await Traffic.start(first, RATE), await Traffic.start(second, RATE)]
    try {
      const before = await recoveries()
      await sleep(WATCHED_MS)
      expect(await recoveries()).to.deep.equal(before)
      first.ingests[0]!.kill('SIGKILL')
      for (const { code } of await ended.ended(ENDED_MS_MAX)) expect(code).to.equal(1011)
      expect(await running.stop()).to.deep.equal(FLAWLESS)
    } finally {
      await Promise.all([ended.abandon(), running.abandon()])
    }
  })

  function recoveries(): Promise<number[]> {
    return Promise.all(deployments.map((each) => each.metric('recovery_total')))
  }
})
