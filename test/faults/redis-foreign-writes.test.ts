import { expect } from 'chai'
import type { Redis } from 'ioredis'
import { keys } from '@wazo-websocketd/shared/redis/layout'
import { Cluster } from '../support/cluster.js'
import { sleep } from '../support/wait.mjs'
import { FLAWLESS, Traffic } from './support/traffic.js'

const PREFIX = 'foreign-writes'
const { meta: META, log: LOG } = keys(PREFIX, 0)
/** Well after the next batch, which finds the change. */
const REPAIRED_MS = 3_000
const RATE = { perSecond: 100, sessions: 2 }

describe('another program that writes to the keys of a partition', function () {
  this.timeout(120_000)
  let cluster: Cluster
  let redis: Redis

  before(async () => {
    cluster = await Cluster.start({
      name: 'redis-foreign-writes',
      ...{ ingests: 2, edges: 1, workers: 2 },
      config: { redis: { prefix: PREFIX } },
    })
    redis = cluster.openRedis()
  })
  after(async () => {
    redis.disconnect()
    await cluster.stop()
  })

  for (const [what, write] of [
    ['appends an entry with an id of its own', () => redis.xadd(LOG, '*', 'foo', 'bar')],
    [
      'puts an entry between two batches',
      async () => {
        const [[id]] = (await redis.xrevrange(LOG, '+', '-', 'COUNT', 1)) as [[string, string[]]]
        await redis.xadd(LOG, `${id.split('-')[0]}-9`, 'b', 'x')
      },
    ],
    ['replaces the log by a string', async () => (await redis.del(LOG), redis.set(LOG, 'x'))],
    ['replaces meta by a list', async () => (await redis.del(META), redis.lpush(META, 'x'))],
    ['sets a head far above', () => redis.hset(META, 'head', '999999999')],
    ['sets a head far below', () => redis.hset(META, 'head', '1')],
    ['writes a head that is no number', () => redis.hset(META, 'head', 'none')],
    [
      'writes garbage into the fields that count the log',
      () => redis.hset(META, 'mark', 'x', 'mark_ms', 'y'),
    ],
    ['deletes meta', () => redis.del(META)],
    ['deletes the log', () => redis.del(LOG)],
  ] as const)
    it(`and ${what}: sessions lose nothing, or get 1011 once, and service goes on by itself`, async () => {
      const traffic = await Traffic.start(cluster, RATE)
      try {
        await sleep(500)
        await write()
        await sleep(REPAIRED_MS)
        for (const { code } of traffic.endings) expect(code).to.equal(1011)
        const { closed, ...events } = await traffic.stop()
        // What a session that has ended did not get any more, it was told of by the 1011.
        if (closed === 0) expect({ closed, ...events }).to.deep.equal(FLAWLESS)
        else expect(events).to.include({ doubled: 0, disordered: 0 })
        console.log(`      ${closed} of ${RATE.sessions} sessions ended with 1011`)
      } finally {
        await traffic.abandon()
      }
      const after = await Traffic.start(cluster, RATE)
      await sleep(500)
      expect(await after.stop(), 'afterwards').to.deep.equal(FLAWLESS)
    })
})
