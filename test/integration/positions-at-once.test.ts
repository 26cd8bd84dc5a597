import { expect } from 'chai'
import { Crowd } from '../support/crowd.js'
import { Cluster } from '../support/cluster.js'
import { numbered, range } from '../support/numbered.js'

/** `RESUMING=10000` for a whole measurement; with the variable the test prints what it took. */
const SESSIONS = Number(process.env['RESUMING'] ?? 500)
const PER_TOKEN = 5
const WORKERS = 2
const MISSED = 200
const READS_MAX = 200

describe(`${SESSIONS} clients that go on from one position at once`, function () {
  this.timeout(180_000)
  let cluster: Cluster
  const crowds: Crowd[] = []

  before(async () => {
    cluster = await Cluster.start({ name: 'positions-at-once', ingests: 1, edges: 1, workers: WORKERS })
  })

  after(async () => {
    for (const crowd of crowds) crowd.stop()
    await cluster.stop()
  })

  it(`each get what they missed, once and in order, for at most ${READS_MAX} reads of the log per worker`, async () => {
    const position = await positionNow()
    const tokens = Array.from({ length: Math.ceil(SESSIONS / PER_TOKEN) }, () => cluster.auth.mint().token)
    const address = (i: number, query: string) =>
      `${cluster.edges[0]!.url}/?token=${tokens[Math.floor(i / PER_TOKEN)]!}&version=2${query}`
    const all = (query: string) => Array.from({ length: SESSIONS }, (_, i) => address(i, query))

    const plain = await measured(() => Crowd.join(all('')))
    plain.result.stop()
    await cluster.publisher.publish(...range(0, MISSED - 1).map((n) => numbered(n)))
    const resumed = await measured(async () => {
      const crowd = await Crowd.join(all(`&resume=${encodeURIComponent(position)}`))
      crowds.push(crowd)
      for (;;) if ((await crowd.state()).received >= SESSIONS * MISSED) return crowd
    })
    if (process.env['RESUMING'] !== undefined)
      console.log('     ', JSON.stringify({ plain: plain.figures, resumed: resumed.figures }))

    const { once, others } = await resumed.result.events(MISSED)
    expect(once).to.deep.equal(range(0, MISSED - 1).map(() => SESSIONS))
    expect(others).to.equal(0)
    expect(resumed.figures.reads - plain.figures.reads).to.be.within(1, READS_MAX * WORKERS)
  })

  /** A position behind which nothing has been published. */
  async function positionNow(): Promise<string> {
    const query = { version: 2, query: 'resume=' }
    const client = await cluster.connect(cluster.auth.mint().token, query).start('numbered')
    await cluster.publisher.publish(numbered(0))
    const { id } = await client.next()
    await client.close()
    return id as string
  }

  /** Runs `work`, and says how long it took, how often the log was read, and how much Redis had to compute. */
  async function measured<T>(work: () => Promise<T>) {
    const redis = cluster.openRedis()
    const look = async () => {
      const reads = Number(/cmdstat_xrange:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1] ?? 0)
      const used = [...(await redis.info('cpu')).matchAll(/^used_cpu_(?:user|sys):([\d.]+)/gm)]
      return {
        reads,
        cpu: used.reduce((sum, [, seconds]) => sum + Number(seconds), 0),
        at: performance.now(),
      }
    }
    const before = await look()
    const result = await work()
    const after = await look()
    const figures = {
      reads: after.reads - before.reads,
      redisCpuMs: Math.round((after.cpu - before.cpu) * 1_000),
      ms: Math.round(after.at - before.at),
    }
    return { result, figures }
  }
})
