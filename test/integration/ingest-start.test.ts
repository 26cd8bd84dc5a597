import { connect } from 'amqplib'
import { expect } from 'chai'
import { createServer, type AddressInfo } from 'node:net'
import { freePort } from '../support/port.mjs'
import { startProgram } from '../support/program.mjs'
import { sharedRabbit } from '../support/rabbitmq.mjs'
import { startRedis } from '../support/redis.mjs'
import { waitFor } from '../support/wait.mjs'

type Program = Awaited<ReturnType<typeof startProgram>>

interface Case {
  readonly what: string
  /** Gets the port of a Redis that wants a password. */
  readonly config: (lockedRedis: number) => Partial<Record<'bus' | 'redis', object>>
  readonly line: RegExp
}

const CASES: readonly Case[] = [
  {
    what: 'RabbitMQ refuses the credentials',
    config: () => ({ bus: { password: 'wrong' } }),
    line: /refuses user .{1,3}guest.{1,3}: check bus\.username and bus\.password/,
  },
  {
    what: 'the vhost is missing',
    config: () => ({ bus: { vhost: 'no-such-vhost' } }),
    line: /no vhost .{1,3}no-such-vhost.{1,3}.*check bus\.vhost/,
  },
  {
    what: 'RabbitMQ is not there',
    config: () => ({ bus: { port: 1 } }),
    line: /cannot be reached: check bus\.host and bus\.port/,
  },
  {
    what: 'the exchange was declared with another type',
    config: () => ({ bus: { exchange_type: 'topic' } }),
    line: /exchange .{1,3}wazo-headers.{1,3} exists with another type: set bus\.exchange_name and bus\.exchange_type/,
  },
  {
    what: 'Redis wants a password',
    config: (port) => ({ redis: { url: `redis://127.0.0.1:${port}` } }),
    line: /wants a password: set redis\.url/,
  },
]

describe('An ingest that cannot start', function () {
  this.timeout(40_000)
  let redis: Awaited<ReturnType<typeof startRedis>>
  let locked: Awaited<ReturnType<typeof startRedis>>
  let rabbitPort: number
  let vhost: string
  const programs = new Map<string, Program>()

  before(async () => {
    const rabbit = await sharedRabbit()
    const url = await rabbit.vhost('ingest-start')
    rabbitPort = rabbit.port
    vhost = new URL(url).pathname.slice(1)
    redis = await startRedis()
    locked = await startRedis({ password: 'secret' })
    const connection = await connect(url)
    const channel = await connection.createChannel()
    await channel.assertExchange('wazo-headers', 'headers', { durable: true })
    await connection.close()
    for (const { what, config } of CASES) programs.set(what, await launch(config(locked.port)))
  })

  /** They start at the same time: most of it is waiting. */
  async function launch({
    bus,
    redis: redisConfig,
  }: Partial<Record<'bus' | 'redis', object>>): Promise<Program> {
    return startProgram('ingest', {
      config: {
        bus: { host: '127.0.0.1', port: rabbitPort, vhost, ...bus },
        redis: { url: redis.url, ...redisConfig },
        metrics: { ingest_port: await freePort() },
      },
    })
  }

  after(async () => {
    for (const program of programs.values()) program.kill('SIGKILL')
    await redis.stop()
    await locked.stop()
  })

  for (const { what, line } of CASES)
    it(`says in one line what to do when ${what}, and keeps trying`, async () => {
      const program = programs.get(what)!
      await waitFor(() => line.test(program.logs()), { timeoutMs: 30_000, what: 'the line' }).catch(
        () => undefined, // the next line shows what it said instead
      )
      expect(program.logs()).to.match(line)
      expect(program.logs()).to.not.match(/^ +at |\\n +at |secret/m)
      expect((await program.stop()).code).to.equal(0)
    })

  it('ends with a status and one line when its metrics port is in use', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const { port } = server.address() as AddressInfo
    const program = await startProgram('ingest', {
      config: { bus: { port: rabbitPort, vhost }, redis: { url: redis.url }, metrics: { ingest_port: port } },
    })
    const { code } = await program.exit
    server.close()
    expect(code).to.equal(1)
    expect(program.logs()).to.match(/cannot listen on 127\.0\.0\.1:\d+.*metrics\.ingest_port/)
    expect(program.logs()).to.not.match(/^ +at |\\n +at /m)
  })
})
