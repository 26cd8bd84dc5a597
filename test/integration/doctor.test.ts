import { chmod, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Finding } from '@wazo-websocketd/edge/ctl/finding'
import { connect } from 'amqplib'
import { expect } from 'chai'
import { Cluster } from '../support/cluster.js'
import { merge, type Config } from '../support/config.js'
import { configFileOf, runCtl, writeConfigFile, type CtlOptions } from '../support/ctl.js'
import { temporaryDirectory } from '../support/guard.mjs'
import { freePort } from '../support/port.mjs'
import { sharedRabbit, startRabbit, type Rabbit } from '../support/rabbitmq.mjs'
import { startRedis } from '../support/redis.mjs'

const STREAM = 'wazo-websocketd.v1'
const MIB = 1024 * 1024
const UUID = '99999999-9999-4999-8999-999999999999'

type Plan = Config & { readonly ctl?: CtlOptions }

/** One planted misconfiguration: what the configuration is laid over with, and what has to be found. */
interface Case {
  readonly what: string
  readonly plant: () => Plan | Promise<Plan>
  readonly level: 'warning' | 'error'
  readonly check: string
  /** Of the line and its remedy. */
  readonly found: RegExp
  readonly mend?: () => unknown
}

describe('wazo-websocketd-ctl doctor, over real services', function () {
  this.timeout(90_000)
  let cluster: Cluster
  let base: Config
  let alarmed: Rabbit
  const closers: (() => Promise<unknown>)[] = []

  before(async () => {
    const [started, rabbit] = await Promise.all([
      Cluster.start({ name: 'doctor', edges: 1, workers: 1, config: { uuid: UUID } }),
      startRabbit(),
    ])
    cluster = started
    alarmed = rabbit
    const [edge, ingest] = await Promise.all(
      [cluster.edges[0]!.program, cluster.ingests[0]!].map(
        async (program) => JSON.parse(await readFile(configFileOf(program), 'utf8')) as Config,
      ),
    )
    base = merge(merge(edge!, { metrics: { ingest_port: (ingest!['metrics'] as Config)['ingest_port'] } }), {
      // Tests may run as root, and on a machine without the account of the service.
      user: 'root',
      auth: { username: null, password: null, key_file: await keyFile(cluster.auth.serviceKey) },
      limits: { connections_per_worker: 100 },
    })
  })
  after(async () => {
    for (const close of closers.reverse()) await close()
    await Promise.all([cluster.stop(), alarmed.stop()])
  })

  async function keyFile(key: string, mode = 0o600): Promise<string> {
    const file = join(await temporaryDirectory('key'), 'key.yml')
    await writeFile(file, JSON.stringify({ service_id: cluster.auth.serviceId, service_key: key }))
    await chmod(file, mode)
    return file
  }

  async function doctor(over: Config = {}, options: CtlOptions = {}) {
    const configFile = await writeConfigFile(merge(base, over))
    const run = await runCtl(['doctor', '--json'], { ...options, configFile })
    try {
      return { ...run, findings: JSON.parse(run.out) as Finding[] }
    } catch {
      throw new Error(`no JSON: ${run.out}${run.err}`)
    }
  }

  /** A setting of the cluster's Redis. */
  async function redisConfig(name: string, value: string): Promise<void> {
    const redis = cluster.openRedis()
    await redis.config('SET', name, value)
    redis.disconnect()
  }

  async function ownRedis(options: Parameters<typeof startRedis>[0]): Promise<Config> {
    const server = await startRedis(options)
    closers.push(() => server.stop())
    return { redis: { url: `redis://127.0.0.1:${server.port}` } }
  }

  const vhostOf = (url: string) => ({ bus: { vhost: decodeURIComponent(new URL(url).pathname.slice(1)) } })

  /** No program of this configuration runs. */
  const nobody = async () => ({ metrics: { edge_port: await freePort(), ingest_port: await freePort() } })

  it('finds nothing where all is well: status 0', async () => {
    const { status, findings } = await doctor()
    expect(findings.filter(({ level }) => level !== 'ok')).to.deep.equal([])
    expect(status).to.equal(0)
    const checks = new Set(findings.map(({ check }) => check))
    for (const check of [
      'configuration',
      'key file',
      'uuid',
      'rabbitmq',
      'redis',
      'wazo-auth',
      'clock',
      'open files',
      'edge',
      'ingest',
      'versions',
    ])
      expect([...checks]).to.include(check)
  })

  const cases: readonly Case[] = [
    {
      what: 'a key that is misspelt',
      plant: () => ({ redis: { partitons: 1 } }),
      ...{ level: 'warning', check: 'configuration', found: /redis\.partitons.*redis\.partitions/ },
    },
    {
      what: 'a key file that everybody can read',
      plant: async () => ({ auth: { key_file: await keyFile(cluster.auth.serviceKey, 0o644) } }),
      ...{ level: 'warning', check: 'configuration', found: /auth\.key_file.*chmod/ },
    },
    {
      what: 'a key file that is missing',
      plant: () => ({ auth: { key_file: '/nowhere/key.yml' } }),
      ...{ level: 'error', check: 'configuration', found: /\/nowhere\/key\.yml/ },
    },
    {
      what: 'a certificate that is missing',
      plant: () => ({ websocket: { certificate: '/nowhere/cert.pem', private_key: '/nowhere/key.pem' } }),
      ...{ level: 'error', check: 'configuration', found: /websocket\.certificate.*\/nowhere\/cert\.pem/ },
    },
    {
      what: 'another key than wazo-auth knows',
      plant: async () => ({ auth: { key_file: await keyFile('wrong') } }),
      ...{ level: 'error', check: 'wazo-auth', found: /refuses.*auth\.key_file/ },
    },
    {
      what: 'a port without wazo-auth',
      plant: async () => ({ auth: { port: await freePort() } }),
      ...{ level: 'error', check: 'wazo-auth', found: /ECONNREFUSED.*auth\.port/ },
    },
    {
      what: 'a clock of wazo-auth that is five minutes ahead',
      plant: () => {
        cluster.auth.set({ clockSkewMs: 300_000 })
        return {}
      },
      mend: () => cluster.auth.set({ clockSkewMs: 0 }),
      ...{ level: 'warning', check: 'clock', found: /ahead of this machine.*chrony/ },
    },
    {
      what: 'no uuid',
      plant: async () => ({ uuid: null, ...(await nobody()) }),
      ...{ level: 'warning', check: 'uuid', found: /XIVO_UUID/ },
    },
    {
      what: 'a wrong password for RabbitMQ',
      plant: () => ({ bus: { password: 'wrong' } }),
      ...{ level: 'error', check: 'rabbitmq', found: /refuses user.*bus\.password/ },
    },
    {
      what: 'a virtual host that is missing',
      plant: () => ({ bus: { vhost: 'nowhere' } }),
      ...{ level: 'error', check: 'rabbitmq', found: /bus\.vhost/ },
    },
    {
      what: 'an exchange of another type',
      plant: () => ({ bus: { exchange_type: 'topic' } }),
      ...{ level: 'error', check: 'rabbitmq', found: /wazo-headers.*bus\.exchange_type/ },
    },
    {
      what: 'a user of RabbitMQ without rights',
      plant: async () => {
        const rabbit = await sharedRabbit()
        const [user, vhost] = [`doctor-${process.pid}`, vhostOf(cluster.amqpUrl).bus.vhost]
        await rabbit.ctl('add_user', user, 'secret')
        await rabbit.ctl('set_permissions', '-p', vhost, user, '^$', '^$', '^wazo-')
        closers.push(() => rabbit.ctl('delete_user', user))
        return { bus: { username: user, password: 'secret' } }
      },
      ...{ level: 'error', check: 'rabbitmq', found: /lacks the right: configure.*set_permissions/ },
    },
    {
      what: "a queue that is no stream under the stream's name",
      plant: async () => {
        const url = await (await sharedRabbit()).vhost('doctor-queue')
        const connection = await connect(url)
        await (await connection.createChannel()).assertQueue(STREAM, { durable: true })
        await connection.close()
        return vhostOf(url)
      },
      ...{ level: 'error', check: 'rabbitmq', found: /no stream.*delete_queue/ },
    },
    {
      what: 'a stream with other arguments',
      plant: () => ({ bus: { stream: { max_age: 77 } } }),
      ...{ level: 'warning', check: 'rabbitmq', found: /bus\.stream\.max_age.*77s.*policy/ },
    },
    {
      what: 'a RabbitMQ with an alarm',
      plant: async () => {
        await alarmed.evaluate('rabbit_alarm:set_alarm({{resource_limit, disk, node()}, []}).')
        return { bus: { port: alarmed.port, vhost: '/' } }
      },
      ...{ level: 'error', check: 'rabbitmq', found: /alarm.*(disk|memory)/ },
    },
    {
      what: 'a Redis that is not there',
      plant: async () => ({ redis: { url: `redis://127.0.0.1:${await freePort()}` } }),
      ...{ level: 'error', check: 'redis', found: /start redis-server/ },
    },
    {
      what: 'a Redis that wants a password',
      plant: () => ownRedis({ password: 'secret' }),
      ...{ level: 'error', check: 'redis', found: /wants a password.*redis\.url/ },
    },
    {
      what: 'a Redis that is a replica',
      plant: () => ownRedis({ args: ['--replicaof', '127.0.0.1', String(cluster.redis.port)] }),
      ...{ level: 'error', check: 'redis', found: /replica.*redis\.url|loading/ },
    },
    {
      what: 'a Redis that throws keys away',
      plant: async () => {
        await redisConfig('maxmemory-policy', 'allkeys-lru')
        return {}
      },
      mend: () => redisConfig('maxmemory-policy', 'noeviction'),
      ...{ level: 'error', check: 'redis', found: /allkeys-lru.*maxmemory-policy noeviction/ },
    },
    {
      what: 'a Redis with less memory than the log may take',
      plant: async () => {
        await redisConfig('maxmemory', String(100 * MIB))
        return {}
      },
      mend: () => redisConfig('maxmemory', '0'),
      ...{ level: 'warning', check: 'redis', found: /redis\.history_bytes/ },
    },
    {
      what: 'a Redis that cuts subscribers off early',
      plant: async () => {
        await redisConfig('client-output-buffer-limit', 'pubsub 1048576 524288 10')
        return {}
      },
      mend: () => redisConfig('client-output-buffer-limit', 'pubsub 33554432 8388608 60'),
      ...{ level: 'warning', check: 'redis', found: /CONFIG SET client-output-buffer-limit/ },
    },
    {
      what: 'another number of partitions than the ingests have',
      plant: () => ({ redis: { partitions: 2 } }),
      ...{ level: 'error', check: 'redis', found: /1 partitions, this configuration 2.*redis\.partitions/ },
    },
    {
      what: 'another prefix than the ingests have',
      plant: () => ({ redis: { prefix: 'elsewhere' } }),
      ...{ level: 'warning', check: 'redis', found: /redis\.prefix/ },
    },
    {
      what: 'too few open files',
      plant: async () => ({
        ...(await nobody()),
        limits: { connections_per_worker: 16_000 },
        ctl: { openFiles: 512 },
      }),
      ...{ level: 'warning', check: 'open files', found: /512.*LimitNOFILE/ },
    },
    {
      what: 'an edge without the socket for orders',
      plant: () => ({ admin: { socket: '/nowhere/edge.sock' } }),
      ...{ level: 'warning', check: 'edge', found: /\/nowhere\/edge\.sock.*RuntimeDirectory/ },
    },
    {
      what: 'no edge and no ingest',
      plant: nobody,
      ...{ level: 'warning', check: 'ingest', found: /does not answer/ },
    },
  ]
  for (const { what, plant, level, check, found, mend } of cases)
    it(`finds ${what}, and names the remedy`, async () => {
      const { ctl = {}, ...over } = await plant()
      try {
        const { status, findings } = await doctor(over, ctl)
        const bad = findings.filter((finding) => finding.level !== 'ok')
        const line = bad.find(
          (finding) =>
            finding.check === check &&
            finding.level === level &&
            found.test(`${finding.what} -> ${finding.remedy ?? ''}`),
        )
        expect(line, JSON.stringify(bad, null, 1)).not.to.equal(undefined)
        expect(status).to.be.at.least(level === 'error' ? 2 : 1)
      } finally {
        await mend?.()
      }
    })

  it('answers within its bounds while everything hangs', async () => {
    cluster.redis.pause()
    cluster.auth.set({ mode: 'slow' })
    try {
      const { ms, findings, status } = await doctor()
      expect(status).to.equal(2)
      expect(ms).to.be.below(20_000)
      const checks = findings.filter(({ level }) => level === 'error').map(({ check }) => check)
      expect(checks).to.include('redis').and.include('wazo-auth')
    } finally {
      cluster.redis.resume()
      cluster.auth.reset()
    }
  })
})
