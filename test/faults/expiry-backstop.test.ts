import { expect } from 'chai'
import type { Client } from '../support/client.js'
import { startRedis } from '../support/redis.mjs'
import { waitFor } from '../support/wait.mjs'
import { Cluster, type Token } from '../support/cluster.js'
import {
  endings,
  endingsSince,
  expectAlive,
  latenessOf,
  openSessions,
  type Endings,
} from './support/endings.js'
import { report } from '../support/figures.js'
import { deleteJobs, jobsToBe } from './support/jobs.js'

const OUTLIVES_MS_MAX = 2_000
const TOKENS = 30
const STAYING = 10
const HOSTS = 2
const WORKERS = 2

interface Opened {
  readonly token: Token
  readonly clients: readonly Client[]
}

describe('the expiry of tokens, when their jobs are in danger', function () {
  this.timeout(90_000)
  let cluster: Cluster
  let staying: Client[]

  before(async () => {
    cluster = await Cluster.start({ name: 'expiry-backstop', edges: HOSTS, workers: WORKERS })
    staying = (await openTokens(STAYING)).flatMap(({ clients }) => clients)
  })

  after(() => cluster.stop())

  it('is kept by each worker itself when the keys of the queue are deleted', async () => {
    const redis = cluster.openRedis()
    await jobsToBe(redis, STAYING)
    const expiring = await openTokens(TOKENS, 6_000)
    await jobsToBe(redis, TOKENS + STAYING)
    // Each host adds the jobs of its own sessions: one that comes after the deletion would bring it back.
    await waitFor(
      async () =>
        (await cluster.metric('expiry_jobs_total', { result: 'added' })) >= (TOKENS + STAYING) * HOSTS,
      { what: 'both hosts to have added all jobs' },
    )
    const before = await endings(cluster)
    expect(await deleteJobs(redis)).to.be.at.least(TOKENS + STAYING)
    redis.disconnect()
    await expectInTime(expiring)
    await expectEndedBy('backstop', before, TOKENS * HOSTS)
    await expectServedByQueue()
  })

  it('needs no primary: the workers run the jobs while both primaries are frozen', async () => {
    const expiring = await openTokens(TOKENS, 4_000)
    const before = await endings(cluster)
    const primaries = cluster.edges.map(({ program }) => program)
    for (const primary of primaries) primary.kill('SIGSTOP')
    try {
      await expectInTime(expiring)
      await expectAlive(staying)
    } finally {
      for (const primary of primaries) primary.kill('SIGCONT')
    }
    await expectEndedBy('queue', before, TOKENS * HOSTS)
    await expectServedByQueue()
  })

  it('is kept by each worker itself while Redis is frozen', async () => {
    const expiring = await openTokens(TOKENS, 4_000)
    const before = await endings(cluster)
    cluster.redis.pause()
    try {
      await expectInTime(expiring)
      await expectAlive(staying)
    } finally {
      cluster.redis.resume()
    }
    await expectEndedBy('backstop', before, TOKENS * HOSTS)
    await expectServedByQueue()
  })

  it('is kept by each worker itself while Redis is dead, and wazo-auth with it; jobs are back with an empty Redis', async () => {
    const expiring = await openTokens(TOKENS, 4_000)
    const before = await endings(cluster)
    await cluster.redis.kill()
    cluster.auth.set({ mode: 'down' })
    try {
      await expectInTime(expiring)
      await expectAlive(staying)
    } finally {
      cluster.auth.set({ mode: 'ok' })
      cluster.redis = await startRedis({ port: cluster.redis.port })
    }
    const back = performance.now()
    const redis = cluster.openRedis()
    await jobsToBe(redis, STAYING)
    report('live tokens have jobs after Redis is back, ms', [performance.now() - back])
    redis.disconnect()
    await expectEndedBy('backstop', before, TOKENS * HOSTS)
    await expectServedByQueue()
  })

  /** Tokens of so long a life, each with a session on both hosts. */
  function openTokens(count: number, expiresInMs?: number): Promise<Opened[]> {
    const life = expiresInMs === undefined ? {} : { expiresInMs }
    const tokens = Array.from({ length: count }, () => cluster.auth.mint(life))
    return Promise.all(tokens.map(async (token) => ({ token, clients: await openSessions(cluster, token) })))
  }

  async function expectInTime(expiring: readonly Opened[]): Promise<void> {
    const late = await Promise.all(
      expiring.flatMap(({ token, clients }) => clients.map((client) => latenessOf(client, token))),
    )
    const { min, max } = report('closed after expiry, ms', late)
    expect(min).to.be.at.least(0)
    expect(max).to.be.at.most(OUTLIVES_MS_MAX)
  }

  async function expectEndedBy(source: keyof Endings, before: Endings, sessions: number): Promise<void> {
    const ended = await endingsSince(cluster, before, sessions)
    expect(ended).to.deep.equal({ queue: 0, bus: 0, backstop: 0, [source]: sessions })
  }

  /** All is as before: new sessions end by the queue, those of other tokens have stayed. */
  async function expectServedByQueue(): Promise<void> {
    // A host calls itself ready as soon as one of its workers is.
    await waitFor(async () => (await cluster.metric('workers_ready')) === HOSTS * WORKERS, {
      what: 'every worker to serve again',
    })
    await expectAlive(staying)
    const [before, expiring] = [await endings(cluster), await openTokens(5, 2_500)]
    await expectInTime(expiring)
    await expectEndedBy('queue', before, 5 * HOSTS)
  }
})
