import { keys } from '@wazo-websocketd/shared/redis/layout'
import { expect } from 'chai'
import { Redis } from 'ioredis'
import { sleep, waitFor } from '../support/wait.mjs'
import { Cluster } from '../support/cluster.js'
import { report } from '../support/figures.js'
import { DistantRedis, namespacesForbidden } from './support/namespace.js'
import { allReady } from '../support/pages.js'
import { rounds } from './support/rounds.js'
import { FLAWLESS, Traffic } from './support/traffic.js'

const TRIALS = rounds(3)
const ROUND_MS_MAX = 25_000
const NOTICED_MS_MAX = 4_000
const GONE_MS = 6_000
const GIVEN_UP = /"time":"([^"]+)".*Redis at [^"]*: no answer/g

const forbidden = namespacesForbidden()

;(forbidden === null ? describe : describe.skip)(
  `the host of Redis vanishes from an edge, and nobody says so${forbidden === null ? '' : ` (skipped: ${forbidden})`}`,
  function () {
    this.timeout(TRIALS * ROUND_MS_MAX + 30_000)
    let distant: DistantRedis
    let cluster: Cluster
    let byDefault: Redis

    before(async () => {
      distant = await DistantRedis.start()
      cluster = await Cluster.start({ name: 'half-open', server: distant.server, edges: 0, workers: 1 })
      await cluster.startEdge({ redis: { url: distant.url } })
    })

    after(async () => {
      byDefault.disconnect()
      await cluster.stop()
    })

    it(`is noticed within 4 s each of ${TRIALS} times, and made good: nothing lost; a client with default settings notices nothing`, async () => {
      const traffic = await Traffic.start(cluster, { perSecond: 200 })
      const noticed: number[] = []
      const replays: number[] = []
      byDefault = new Redis(distant.url)
      byDefault.on('error', () => undefined)
      for (let trial = 0; trial < TRIALS; trial++) {
        await allReady(cluster)
        // The outage before is over for the log, too: the next one has a line of its own.
        await waitFor(() => cluster.logs().split('Redis serves again').length > trial, {
          timeoutMs: 10_000,
          what: 'the end of the outage',
        })
        await byDefault.subscribe(keys('wazo-ws', 0).live)
        let defaultNoticed = false
        byDefault.once('close', () => (defaultNoticed = true))
        const before = givenUp().length
        const goneAt = Date.now()
        distant.vanish()
        await waitFor(() => givenUp().length > before, { timeoutMs: 10_000, what: 'the edge to notice' })
        noticed.push(givenUp()[before]! - goneAt)
        await sleep(GONE_MS - (Date.now() - goneAt))
        expect(defaultNoticed, 'what a client with default settings notices').to.equal(false)
        byDefault.disconnect()
        expect(traffic.endings).to.deep.equal([])
        distant.comeBack()
        replays.push(await traffic.caughtUp())
        await byDefault.connect()
      }
      const { max } = report('ms until noticed', noticed)
      report('ms from the return until all sessions had all', replays)
      expect(await traffic.stop()).to.deep.equal(FLAWLESS)
      expect(max).to.be.at.most(NOTICED_MS_MAX)
    })

    /** Milliseconds of Unix time at which an edge gave a connection up. */
    function givenUp(): number[] {
      return [...cluster.logs().matchAll(GIVEN_UP)].map(([, time]) => Date.parse(time!))
    }
  },
)
