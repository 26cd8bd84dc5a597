import { rm } from 'node:fs/promises'
import { expect } from 'chai'
import { temporaryDirectory } from '../support/guard.mjs'
import { freePort } from '../support/port.mjs'
import { ask, askIfAlive } from '../support/redis-ask.mjs'
import { startRedis } from '../support/redis.mjs'
import { sleep, waitFor } from '../support/wait.mjs'
import { Cluster, type Server } from '../support/cluster.js'
import { allReady } from '../support/pages.js'
import { FLAWLESS, Traffic } from './support/traffic.js'
import { Wire } from '../support/wire.js'

const LOST_GRACE_S = 4
const BUS_GRACE_S = 1
/** Of a fault that nobody is to notice. */
const SHORT_MS = 1_000
/** What fails again within 5 s is the same outage, of which the log tells a few reasons only. */
const OUTAGE_OVER_MS = 5_500
const TOLD_MS_MAX = 3_000
const SERVED_MS_MAX = 10_000
const ENDED_MS_MAX = (LOST_GRACE_S + BUS_GRACE_S) * 1_000 + 5_000

interface Refusal {
  readonly what: string
  /** What Redis answers. */
  readonly says: RegExp
  readonly begin: (redis: Server, dir: string) => Promise<unknown>
  readonly end: (redis: Server) => Promise<unknown>
  /** Also for longer than the grace. */
  readonly lasts?: boolean
}

const REFUSALS: readonly Refusal[] = [
  {
    what: 'is the replica of a server that is alive',
    says: /READONLY/,
    begin: (redis) => ask(redis, 'REPLICAOF', '127.0.0.1', other.port),
    end: (redis) => ask(redis, 'REPLICAOF', 'NO', 'ONE'),
    lasts: true,
  },
  {
    what: 'is the replica of a server that is gone, and answers nothing but that',
    says: /MASTERDOWN|READONLY/,
    async begin(redis) {
      await ask(redis, 'CONFIG', 'SET', 'replica-serve-stale-data', 'no')
      await ask(redis, 'REPLICAOF', '127.0.0.1', await freePort())
    },
    end: (redis) => ask(redis, 'REPLICAOF', 'NO', 'ONE'),
  },
  {
    what: 'is full',
    says: /OOM/,
    begin: (redis) => ask(redis, 'CONFIG', 'SET', 'maxmemory', '1'),
    end: (redis) => ask(redis, 'CONFIG', 'SET', 'maxmemory', '0'),
    lasts: true,
  },
  {
    what: 'cannot write its snapshots',
    says: /MISCONF/,
    async begin(redis, dir) {
      await rm(dir, { recursive: true })
      await ask(redis, 'CONFIG', 'SET', 'save', '3600 1')
      await ask(redis, 'BGSAVE')
    },
    end: (redis) => ask(redis, 'CONFIG', 'SET', 'save', ''),
  },
  {
    what: 'misses its replicas',
    says: /NOREPLICAS/,
    begin: (redis) => ask(redis, 'CONFIG', 'SET', 'min-replicas-to-write', '1'),
    end: (redis) => ask(redis, 'CONFIG', 'SET', 'min-replicas-to-write', '0'),
  },
  {
    what: 'is busy with a script of somebody else',
    says: /BUSY/,
    begin: (redis) => askIfAlive(redis, 'EVAL', 'while true do end', '0'),
    end: (redis) => ask(redis, 'SCRIPT', 'KILL'),
  },
]

let other: Server

describe('a Redis that answers, and takes nothing', function () {
  this.timeout(60_000)
  let dir: string
  let cluster: Cluster
  let traffic: Traffic

  before(async () => {
    dir = await temporaryDirectory('refusing')
    other = await startRedis()
    const server = await startRedis({ dir, args: ['--busy-reply-threshold', '100'] })
    cluster = await Cluster.start({
      ...{ name: 'redis-refusals', server, ingests: 2, edges: 1, workers: 1 },
      config: { redis: { lost_grace: LOST_GRACE_S }, bus: { lost_grace: BUS_GRACE_S } },
    })
  })

  beforeEach(async () => {
    await allReady(cluster, 20_000)
    traffic = await Traffic.start(cluster, { perSecond: 200 })
  })

  afterEach(() => traffic.abandon())

  after(async () => {
    await cluster.stop()
    await other.stop()
  })

  /** What the ingests have said since a moment. */
  const said = (since: readonly number[]): string =>
    cluster.ingests.map((ingest, i) => ingest.logs().slice(since[i])).join('\n')

  for (const { what, says, begin, end, lasts = false } of REFUSALS) {
    it(`because it ${what}: the log says so, and afterwards nothing is lost`, async () => {
      await sleep(OUTAGE_OVER_MS)
      const since = cluster.ingests.map((ingest) => ingest.logs().length)
      await begin(cluster.redis, dir)
      const line = new RegExp(`"level":"(warning|error)".*(${says.source})`)
      const told = waitFor(() => line.test(said(since)), {
        timeoutMs: TOLD_MS_MAX,
        what: 'a line in the log',
      })
      await Promise.allSettled([told, sleep(SHORT_MS)])
      await end(cluster.redis)
      await told
      const took = await traffic.caughtUp(SERVED_MS_MAX)
      console.log(`      caught up ${Math.round(took)} ms after its end`)
      expect(await traffic.stop()).to.deep.equal(FLAWLESS)
    })

    if (lasts)
      it(`because it ${what}, for longer than the grace: 1011, and service afterwards`, async () => {
        await sleep(500)
        await begin(cluster.redis, dir)
        try {
          for (const { code } of await traffic.ended(ENDED_MS_MAX)) expect(code).to.equal(1011)
        } finally {
          await end(cluster.redis)
        }
        await allReady(cluster, 20_000)
        await traffic.abandon()
        // Of another name: what the stream kept of the traffic before may still be under way.
        traffic = await Traffic.start(cluster, { perSecond: 200, name: 'afterwards' })
        await sleep(500)
        expect(await traffic.stop()).to.deep.equal(FLAWLESS)
      })
  }
})

describe('an address of Redis that is moved to its replica, which takes over', function () {
  this.timeout(60_000)
  let redis: Server
  let replica: Server
  let wire: Wire
  let cluster: Cluster

  before(async () => {
    redis = await startRedis()
    replica = await startRedis({ args: ['--replicaof', '127.0.0.1', `${redis.port}`] })
    wire = await Wire.to(redis.port)
    cluster = await Cluster.start({
      ...{ name: 'redis-address', server: redis, ingests: 2, edges: 1, workers: 1 },
      config: { redis: { url: `redis://127.0.0.1:${wire.port}` } },
    })
  })

  after(async () => {
    await cluster.stop()
    await replica.stop()
    await wire.refuse()
  })

  it('is followed although connections to the old master, now a replica, stay open', async () => {
    const traffic = await Traffic.start(cluster, { perSecond: 200 })
    try {
      await waitFor(async () => (await replication(replica)).includes('master_link_status:up'), {
        what: 'the replica',
      })
      await sleep(500)
      wire.leadTo(replica.port)
      await ask(replica, 'REPLICAOF', 'NO', 'ONE')
      await ask(redis, 'REPLICAOF', '127.0.0.1', replica.port)
      await sleep(SHORT_MS)
      const took = await traffic.caughtUp(SERVED_MS_MAX)
      console.log(`      caught up within ${Math.round(took)} ms`)
      expect(await traffic.stop()).to.deep.equal(FLAWLESS)
    } finally {
      await traffic.abandon()
    }
  })
})

async function replication(server: Server): Promise<string> {
  return (await ask(server, 'INFO', 'replication')) as string
}
