import { expect } from 'chai'
import type { Redis } from 'ioredis'
import { customEvent } from '../support/publish.js'
import { waitFor } from '../support/wait.mjs'
import { Cluster } from '../support/cluster.js'
import { activeByMetrics, HoldingsProbe, more, type Holdings } from './support/holdings.js'
import { Population } from './support/population.js'
import { dumpRedis } from './support/redis-dump.js'

const TOKENS = 100
const SESSIONS = 300
const ROUNDS = [1, 2, 3]
/** A token's last job rings at its expiry; what it tells concerns nobody any more. */
const LAST_JOB_MS_MAX = 5_000
/** Idle connections to wazo-auth stay for some seconds. */
const BACK_MS_MAX = 20_000
/** What a leak is given to show itself in. */
const LEAK_MS = 2_000
/** Jobs that are not due yet. */
const WAITING = '{wazo-ws}:token-expiry:delayed'
/** BullMQ tells of jobs on a stream of its own, which is cut at 100 entries or where its next node begins. */
const TOLD = '{wazo-ws}:token-expiry:events'
const TOLD_MAX = 250
const MB = 1024 * 1024
/** Code that V8 has compiled by then, and remembered answers of wazo-auth. 150 connections would be 1.1 MB. */
const HEAP_GROWTH_MAX_BYTES = 0.8 * MB
const RSS_GROWTH_MAX_BYTES = 25 * MB
const GAUGES = ['tokens_tracked', 'connections', 'subscriptions', 'send_buffer_bytes'] as const

describe('what sessions leave behind, on a cluster of two hosts', function () {
  this.timeout(120_000)
  let cluster: Cluster
  let probe: HoldingsProbe
  let redis: Redis
  let atStart: Holdings
  let activeAtStart: Readonly<Record<string, number>>[]
  const hashes: string[] = []
  const afterwards: Holdings[] = []

  before(async () => {
    probe = await HoldingsProbe.make()
    cluster = await Cluster.start({
      name: 'leftovers',
      config: { log_level: 'debug', auth_check_strategy: 'static', auth_check_static_interval: 2 },
      env: probe.env,
    })
    redis = cluster.openRedis()
    probe.observe(cluster.edges)
    atStart = await probe.askAtRest()
    activeAtStart = await active()
  })

  after(async () => {
    redis.disconnect()
    await cluster.stop()
  })

  for (const round of ROUNDS)
    it(`is nothing after ${SESSIONS} sessions of ${TOKENS} tokens, time ${round}`, async () => {
      const population = new Population(cluster)
      await population.open(TOKENS)
      expect(population.sessions).to.equal(SESSIONS)
      await waitFor(async () => (await cluster.metric('tokens_tracked')) > 0, {
        what: 'tokens to be counted',
      })
      await cluster.publisher.publish(customEvent({ name: 'foo', requiredAcl: null, everyone: true }))
      const codes = await population.end()
      expect([...codes].map(([fate, each]) => [fate, [...each]])).to.deep.equal([
        ['expires', [4003]],
        ['deleted', [4003]],
        ['deleted in silence', [4003]],
        ['closed', [1000]],
        ['terminated', [1006]],
        ['renewed', [4003]],
      ])
      expect(await redis.zcard(WAITING)).to.be.at.most(population.hashes.length)
      await population.expiry()
      hashes.push(...population.hashes)
      await waitFor(async () => (await keysOf(hashes)).length === 0, {
        timeoutMs: LAST_JOB_MS_MAX,
        what: 'the jobs of expired tokens to go',
      }).catch(() => undefined)
      expect(await keysOf(hashes)).to.deep.equal([])
      expect(await redis.xlen(TOLD)).to.be.at.most(TOLD_MAX)
      await expectGaugesAtZero()
      const { least, tooMuch } = await probe.askBackAt(atStart, BACK_MS_MAX)
      expect(tooMuch).to.deep.equal([])
      // One may just have run out: what sets it again waits for its message to leave the process.
      for (const [name, { timers }] of least)
        expect(timers, name).to.be.at.least(atStart.get(name)!.timers - 1)
      await expectNoMoreActive()
      afterwards.push(least)
    })

  it('is no memory: the third time has cost no more than noise beyond the first', () => {
    const [first, , third] = afterwards
    const grown = [...third!].map(([name, { heapUsed, rss }]) => {
      const before = first!.get(name)!
      return { name, heap: heapUsed - before.heapUsed, rss: rss - before.rss }
    })
    for (const { name, heap, rss } of grown)
      console.log(`      ${name}: heap ${inMb(heap)} MB, resident ${inMb(rss)} MB`)
    expect(Math.max(...grown.map(({ heap }) => heap))).to.be.below(HEAP_GROWTH_MAX_BYTES)
    expect(Math.max(...grown.map(({ rss }) => rss))).to.be.below(RSS_GROWTH_MAX_BYTES)
  })

  it('would be noticed: a key with the hash of a token, an open session, a leaked timer', async () => {
    const [hash] = hashes
    await redis.zadd(WAITING, Date.now() + 3_600_000, `t${hash}`)
    expect(await keysOf(hashes)).to.deep.equal([WAITING])
    await redis.zrem(WAITING, `t${hash}`)

    const session = await cluster.connect(cluster.auth.mint().token).start('*', 'foo')
    await waitFor(async () => (await gauges()).join() === '1,1,2,0', { what: 'one session in the gauges' })
    expect((await probe.askBackAt(atStart, LEAK_MS)).tooMuch.join('\n')).to.match(/worker \d: \d+ instead of/)
    await session.close()
    expect((await probe.askBackAt(atStart, BACK_MS_MAX)).tooMuch).to.deep.equal([])

    process.kill(probe.pid('edge 2 worker 1'), 'SIGUSR2')
    const { tooMuch } = await probe.askBackAt(atStart, LEAK_MS)
    expect(tooMuch[0]).to.match(/^edge 2 worker 1: \d+ instead of \d+ timers$/)
    expect(tooMuch[1]).to.match(/^edge 2 worker 1: 1 instead of 0 .*timer-count\.mjs/)
    expect(tooMuch).to.have.length(2)
  })

  /** Keys that name one of the tokens, or have it in them. */
  async function keysOf(wanted: readonly string[]): Promise<string[]> {
    const dump = await dumpRedis(redis)
    dump.delete(TOLD)
    return [...dump]
      .filter(([key, all]) => wanted.some((hash) => (key + all).includes(hash)))
      .map(([key]) => key)
  }

  function gauges(): Promise<number[]> {
    return Promise.all(GAUGES.map((name) => cluster.metric(name)))
  }

  async function expectGaugesAtZero(): Promise<void> {
    const read = () =>
      Promise.all(cluster.edges.map((edge) => Promise.all(GAUGES.map((name) => edge.metric(name)))))
    const zero = cluster.edges.map(() => GAUGES.map(() => 0))
    await waitFor(async () => String(await read()) === String(zero), { what: 'zero' }).catch(() => undefined)
    expect(await read()).to.deep.equal(zero)
  }

  function active(): Promise<Readonly<Record<string, number>>[]> {
    return Promise.all(cluster.edges.map(activeByMetrics))
  }

  async function expectNoMoreActive(): Promise<void> {
    const tooMuch = async () => (await active()).flatMap((now, i) => more(activeAtStart[i]!, now))
    await waitFor(async () => (await tooMuch()).length === 0, { timeoutMs: BACK_MS_MAX, everyMs: 500 }).catch(
      () => undefined,
    )
    expect(await tooMuch()).to.deep.equal([])
  }
})

function inMb(bytes: number): string {
  return (bytes / MB).toFixed(2)
}
