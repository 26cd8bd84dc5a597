import { partitionOf } from '@wazo-websocketd/shared/domain/event'
import { expect } from 'chai'
import { DEFAULT_TENANT, MASTER_TENANT } from '../support/auth.mjs'
import type { Client } from '../support/client.js'
import { startRedis } from '../support/redis.mjs'
import { sleep, waitFor } from '../support/wait.mjs'
import { Cluster } from '../support/cluster.js'
import { report } from '../support/figures.js'
import { numbered, taken } from '../support/numbered.js'

const PARTITIONS = 3
const EVENTS_PER_SECOND = 200
/** Where event number n is for: four tenants in turn, and every fifth one is for nobody but the masters. */
const TENANTS: readonly (string | null)[] = [
  DEFAULT_TENANT,
  '00000000-0000-4000-8000-000000000001',
  '00000000-0000-4000-8000-000000000002',
  '00000000-0000-4000-8000-000000000003',
  null,
]
const tenantOf = (n: number) => TENANTS[n % TENANTS.length]!

/** Publishes at an even rate from `start` to `stop`. */
class Load {
  readonly sent: number[] = []
  private readonly cluster: Cluster
  private next = 0
  private running: Promise<void> | null = null
  private stopped = false

  constructor(cluster: Cluster) {
    this.cluster = cluster
  }

  start(): void {
    this.stopped = false
    this.running = this.run()
  }

  /** Resolves when the broker has everything. */
  async stop(): Promise<readonly number[]> {
    this.stopped = true
    await this.running
    await this.cluster.publisher.flush()
    return this.sent.splice(0)
  }

  private async run(): Promise<void> {
    const began = performance.now()
    for (let published = 0; !this.stopped;) {
      const due = ((performance.now() - began) / 1_000) * EVENTS_PER_SECOND
      for (; published < due; published++) {
        const n = this.next++
        this.cluster.publisher.send(numbered(n, { tenant: tenantOf(n) }))
        this.sent.push(n)
      }
      await sleep(10)
    }
  }
}

interface Session {
  readonly client: Client
  /** null: of the master tenant. */
  readonly tenant: string | null
}

describe(`${PARTITIONS} partitions, ${TENANTS.length - 1} tenants and two hosts under ${EVENTS_PER_SECOND} events/s`, function () {
  this.timeout(90_000)
  let cluster: Cluster
  let load: Load
  const sessions: Session[] = []

  before(async () => {
    cluster = await Cluster.start({
      name: 'partitions',
      ingests: 2,
      config: { redis: { partitions: PARTITIONS } },
    })
    load = new Load(cluster)
    for (const tenant of TENANTS) {
      const { token } = cluster.auth.mint({ tenant: tenant ?? MASTER_TENANT, admin: true })
      for (const edge of cluster.edges)
        for (const version of [1, 2])
          sessions.push({ tenant, client: await cluster.connect(token, { version }, edge).start('*') })
    }
  })

  after(() => cluster.stop())

  it('has tenants in every partition', () => {
    const used = new Set(TENANTS.map((tenant) => partitionOf(tenant, PARTITIONS)))
    expect([...used].sort()).to.deep.equal([0, 1, 2])
  })

  const recoveries = (result: 'recovered' | 'lost') => cluster.metric('recovery_total', { result })

  const kill = async (type: 'pubsub' | 'normal'): Promise<void> => {
    const redis = cluster.openRedis()
    await redis.call('CLIENT', 'KILL', 'TYPE', type, 'SKIPME', 'yes')
    await redis.quit()
  }

  const FAULTS = [
    ['nothing at all', () => sleep(3_000)],
    [
      'connections to Redis killed: ten times the subscribers, then everything',
      async () => {
        for (let times = 0; times < 10; times++) {
          await kill('pubsub')
          await sleep(400)
        }
        await kill('normal')
        await kill('pubsub')
      },
    ],
    [
      'a freeze of Redis of 10 s',
      async () => {
        cluster.redis.pause()
        await sleep(10_000)
        cluster.redis.resume()
      },
    ],
    [
      'Redis killed and back empty',
      async () => {
        const { port } = cluster.redis
        await cluster.redis.kill()
        await sleep(500)
        cluster.redis = await startRedis({ port })
      },
    ],
    [
      // One of two publishes, whichever it is.
      'the publishing ingest killed',
      async () => {
        for (const ingest of cluster.ingests.slice(0, 2)) {
          ingest.kill('SIGKILL')
          await ingest.exit
          await sleep(3_000)
          await cluster.startIngest()
        }
      },
    ],
  ] as const
  for (const [what, fault] of FAULTS)
    it(`loses nothing, doubles nothing and keeps the order: ${what}`, async () => {
      const lossesBefore = await recoveries('lost')
      load.start()
      await sleep(1_000)
      await fault()
      await sleep(1_000)
      const sent = await load.stop()
      const stopped = performance.now()
      const times = sessions.map((session) => settled(session, sent).then(() => performance.now() - stopped))
      report(`${sent.length} events; each session served after the last one, ms`, await Promise.all(times))
      await sleep(300)
      for (const session of sessions) expectServed(session, sent)
      expect(await recoveries('lost')).to.equal(lossesBefore)
    })

  it('had to read the log', async () => {
    expect(await recoveries('recovered')).to.be.above(0)
  })
})

function wanted({ tenant }: Session, sent: readonly number[]): number[] {
  return tenant === null ? [...sent] : sent.filter((n) => tenantOf(n) === tenant)
}

async function settled(session: Session, sent: readonly number[]): Promise<void> {
  const count = wanted(session, sent).length
  await waitFor(() => session.client.waiting >= count, {
    timeoutMs: 15_000,
    everyMs: 20,
    what: `a session of ${session.tenant ?? 'the masters'} to have ${count} events`,
  }).catch(() => undefined) // what it has is judged all the same, and says more
}

/** Exactly the events of the session, in the order of the bus within each partition. */
function expectServed(session: Session, sent: readonly number[]): void {
  const got = taken(session.client) as number[]
  const all = wanted(session, sent)
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const here = (n: number) => partitionOf(tenantOf(n), PARTITIONS) === partition
    const what = `${session.tenant ?? 'masters'} in partition ${partition}`
    expect(got.filter(here), what).to.deep.equal(all.filter(here))
  }
}
