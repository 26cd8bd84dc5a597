import { expect } from 'chai'
import { sleep, waitFor } from '../support/wait.mjs'
import { Cluster } from '../support/cluster.js'
import { report } from '../support/figures.js'
import { numbered } from '../support/numbered.js'
import { allReady, pages } from '../support/pages.js'
import { RedisLife } from './support/redis-life.js'
import { rounds } from './support/rounds.js'
import { FLAWLESS, Traffic } from './support/traffic.js'

const RESTARTS = rounds(5)
const ROUND_MS_MAX = 20_000
const AWAY_MS_MAX = 1_500
const OLDER_MS = 10_000
const FROZEN_MS = 10_000
const CAUGHT_UP_MS_MAX = 2_000

for (const [kept, args] of [
  ['nothing', []],
  ['everything it has confirmed', ['--appendonly', 'yes', '--appendfsync', 'always']],
] as const)
  describe(`a Redis that keeps ${kept}, under 500 events a second`, function () {
    this.timeout(90_000)
    let redis: RedisLife
    let cluster: Cluster
    let traffic: Traffic

    before(async () => {
      redis = await RedisLife.start(args)
      cluster = await Cluster.start({ name: 'redis-restart', server: redis, ingests: 2, workers: 1 })
    })

    beforeEach(async () => {
      await allReady(cluster, 20_000)
      traffic = await Traffic.start(cluster)
    })

    afterEach(() => traffic.abandon())

    after(() => cluster.stop())

    it(`is killed and restarted ${RESTARTS} times: sessions stay, nothing is lost, nothing comes twice`, async function () {
      this.timeout(RESTARTS * ROUND_MS_MAX)
      const epochs = epochsIn(cluster.logs())
      const times: number[] = []
      for (let round = 0; round < RESTARTS; round++) {
        await sleep(500 + Math.random() * 1_000)
        await redis.kill()
        await sleep(Math.random() * AWAY_MS_MAX)
        await redis.restart()
        times.push(await traffic.caughtUp())
      }
      report('ms from the restart until all sessions had all', times)
      expect(await traffic.stop()).to.deep.equal(FLAWLESS)
      expect(epochsIn(cluster.logs())).to.deep.equal(epochs)
      if (kept === 'nothing') expect(cluster.logs()).to.contain('publishing the history again')
    })

    if (kept === 'nothing')
      it('is empty, and every ingest has been restarted: 1011, then service', async () => {
        await redis.kill()
        for (const ingest of cluster.ingests) ingest.kill('SIGKILL')
        cluster.ingests.splice(0)
        await redis.restart()
        await cluster.startIngest()
        await waitFor(() => traffic.endings.length === traffic.sessions, { timeoutMs: 15_000, what: '1011' })
        for (const { code, reason } of traffic.endings)
          expect([code, reason]).to.deep.equal([1011, 'bus connection lost'])
        expect(cluster.logs()).to.contain('"why":"first-start"')
        await allReady(cluster)
        const fresh = await cluster.connect(cluster.auth.mint().token).start('numbered')
        await traffic.abandon()
        fresh.take()
        await cluster.publisher.publish(numbered(1))
        await waitFor(() => fresh.waiting > 0, { what: 'an event' })
        await fresh.close()
      })

    if (kept !== 'nothing')
      it('comes back as it was 10 s before: the same events again under the same numbers, nobody notices', async () => {
        await sleep(1_000)
        const snapshot = await redis.snapshot()
        await sleep(OLDER_MS)
        await redis.kill()
        await redis.putBack(snapshot)
        await redis.restart()
        await traffic.caughtUp()
        expect(await traffic.stop()).to.deep.equal(FLAWLESS)
        const answers = await pages(cluster, '/metrics')
        const rolled = [...answers.matchAll(/publish_answers_total\{answer="ROLLED"\} (\d+)/g)]
        expect(rolled.reduce((sum, [, count]) => sum + Number(count), 0)).to.be.above(0)
      })

    it('is frozen for 10 s: nothing closes, and all is caught up within 2 s of its waking', async () => {
      await sleep(500)
      redis.pause()
      await sleep(FROZEN_MS)
      expect(traffic.silentMs).to.be.above(FROZEN_MS / 2)
      expect(traffic.endings).to.deep.equal([])
      redis.resume()
      const took = await traffic.caughtUp()
      report('ms from its waking until all sessions had all', [took])
      expect(await traffic.stop()).to.deep.equal(FLAWLESS)
      expect(took).to.be.at.most(CAUGHT_UP_MS_MAX)
    })
  })

function epochsIn(logs: string): string[] {
  return [...new Set([...logs.matchAll(/"epoch":"([0-9a-f-]+)"/g)].map(([, epoch]) => epoch!))].sort()
}
