import { expect } from 'chai'
import { Redis } from 'ioredis'
import { freePort } from '../support/port.mjs'
import { startRedis } from '../support/redis.mjs'
import { sleep, waitFor } from '../support/wait.mjs'
import { makeCertificates, type Certificates } from '../support/certificates.js'
import { Cluster, type Server } from '../support/cluster.js'
import { allReady, pages } from '../support/pages.js'
import { FLAWLESS, Traffic } from './support/traffic.js'

const PASSWORD = 'pass/w:rd@%'
const WRONG = 'canary-of-a-wrong-password'
const WATCHED_MS = 3_000
/** Of each of five connections; without a limit it would be one a second or more. */
const LINES_PER_10_S_MAX = 5
const CONNECTIONS = 5

describe('a Redis with a password', function () {
  this.timeout(90_000)

  it('serves the whole path', async () => {
    await expectWholePath(await startRedis({ password: PASSWORD }))
  })

  it('does not take a wrong one: a clear line in the log, not ready, no crash; and service once it does', async () => {
    const server = await startRedis({ password: PASSWORD })
    const admin = new Redis(server.url)
    const url = server.url.replace(encodeURIComponent(PASSWORD), WRONG)
    const cluster = await Cluster.start({ name: 'wrong-password', server, ingests: 0, edges: 0, workers: 1 })
    try {
      const begun = performance.now()
      const { program } = await cluster.launchIngest({ redis: { url } })
      const edge = cluster.startEdge({ redis: { url } })
      edge.catch(() => undefined) // awaited below
      await waitFor(
        async () => (await pages(cluster, '/readyz').catch(() => '')).split('not ready').length === 3,
        {
          timeoutMs: 20_000,
          what: 'both programs to say that they are not ready',
        },
      )
      // A worker that cannot serve listens all the same after 5 s, to say so.
      const { token } = cluster.auth.mint()
      const refused = async () => (await cluster.connect(token).closed).reason === 'try again later'
      await waitFor(refused, { timeoutMs: 40_000, everyMs: 200, what: '1013' })
      await sleep(WATCHED_MS)
      const logs = cluster.logs()
      for (const name of ['ingest', 'edge'])
        expect(logs).to.match(
          new RegExp(`"level":"error".*-${name}".*refuses the user or password: correct redis.url`),
        )
      const windows = Math.ceil((performance.now() - begun) / 10_000)
      const lines = logs.split('refuses the user or password').length - 1
      expect(lines).to.be.at.most(CONNECTIONS * LINES_PER_10_S_MAX * windows)
      expect(logs).to.not.contain(WRONG)
      expect(await pages(cluster, '/readyz')).to.match(/missing: .*redis/i)
      expect(await Promise.race([program.exit, Promise.resolve('runs')])).to.equal('runs')
      await admin.config('SET', 'requirepass', WRONG)
      await edge
      await allReady(cluster)
      expect(logs).to.not.match(/worker ended/)
    } finally {
      admin.disconnect()
      await cluster.stop()
    }
  })
})

describe('a Redis that speaks TLS, with a certificate of an authority of its own', function () {
  this.timeout(90_000)
  let files: Certificates
  let server: Server

  beforeEach(async () => {
    files = await makeCertificates()
    const port = await freePort()
    const pems = ['--tls-cert-file', files.certificate, '--tls-key-file', files.key]
    const args = [
      '--tls-port',
      `${port}`,
      ...pems,
      '--tls-ca-cert-file',
      files.authority,
      '--tls-auth-clients',
      'no',
    ]
    const redis = await startRedis({ password: PASSWORD, args })
    server = { ...redis, url: redis.url.replace('redis:', 'rediss:').replace(`:${redis.port}`, `:${port}`) }
  })

  it('serves the whole path when redis.tls.ca names the authority', async () => {
    await expectWholePath(server, { redis: { tls: { ca: files.authority } } })
  })

  it('is not trusted without: a line that says what to do, not ready, no crash', async () => {
    const cluster = await Cluster.start({ name: 'untrusted', server, ingests: 0, edges: 0, workers: 1 })
    try {
      const { program } = await cluster.launchIngest()
      const line =
        /"level":"error".*Redis at rediss:.* shows a certificate that is not trusted: name the file of its authority in redis\.tls\.ca/
      await waitFor(() => line.test(cluster.logs()), { timeoutMs: 15_000, what: 'the line' })
      expect(await pages(cluster, '/readyz')).to.match(/missing: connection to Redis/)
      expect(await Promise.race([program.exit, Promise.resolve('runs')])).to.equal('runs')
    } finally {
      await cluster.stop()
    }
  })
})

/** Events, and the queue of token expiry, over such a Redis. */
async function expectWholePath(
  server: Server,
  config: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const cluster = await Cluster.start({ name: 'redis-access', server, ingests: 0, edges: 0, workers: 1 })
  try {
    await Promise.all([cluster.startIngest(config), cluster.startEdge(config)])
    const traffic = await Traffic.start(cluster, { perSecond: 200 })
    const expiring = await cluster.connect(cluster.auth.mint({ expiresInMs: 2_000 }).token).start('*')
    expect((await expiring.closed).code).to.equal(4003)
    expect(await traffic.stop()).to.deep.equal(FLAWLESS)
    await waitFor(async () => (await cluster.metric('sessions_expired_total', { source: 'queue' })) === 1, {
      what: 'the end by the queue',
    })
    const certain = cluster.logs()
    expect(certain).to.not.contain(encodeURIComponent(PASSWORD))
    expect(certain).to.not.contain(PASSWORD)
  } finally {
    await cluster.stop()
  }
}
