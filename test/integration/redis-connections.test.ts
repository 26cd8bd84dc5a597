import { systemClock } from '@wazo-websocketd/shared/runtime/clock'
import { RedisFactory, type RedisFactoryOptions } from '@wazo-websocketd/shared/redis/client'
import { expect } from 'chai'
import { pino } from 'pino'
import { freePort } from '../support/port.mjs'
import { startRedis } from '../support/redis.mjs'
import { waitFor } from '../support/wait.mjs'

type Server = Awaited<ReturnType<typeof startRedis>>

describe('a connection to Redis', function () {
  this.timeout(20_000)

  const factories: RedisFactory[] = []
  const servers: Server[] = []
  let log: string
  let states: string[]

  beforeEach(() => {
    log = ''
    states = []
  })
  afterEach(async () => {
    for (const factory of factories.splice(0)) factory.close()
    for (const server of servers.splice(0)) await server.stop()
  })

  async function server(options: Parameters<typeof startRedis>[0] = {}): Promise<Server> {
    const redis = await startRedis(options)
    servers.push(redis)
    return redis
  }

  function factory(url: string, options: Partial<RedisFactoryOptions> = {}): RedisFactory {
    const made = new RedisFactory({
      url,
      cluster: null,
      logger: pino({ level: 'debug' }, { write: (line: string) => void (log += line) }),
      clock: systemClock,
      connected: (role, connected) => void states.push(`${role} ${connected ? 'up' : 'down'}`),
      ...options,
    })
    factories.push(made)
    return made
  }

  it('tells when it is up and when it is lost, and comes back by itself within a second or so', async () => {
    const first = await server()
    const client = factory(first.url).create('commands')
    expect(states).to.deep.equal(['commands down'])
    expect(await client.ping()).to.equal('PONG')
    expect(states).to.deep.equal(['commands down', 'commands up'])

    await first.kill('SIGKILL')
    await waitFor(() => states.length === 3, { what: 'the loss' })
    expect(states[2]).to.equal('commands down')
    const late = client.ping() // waits for the server
    await server({ port: first.port })
    const since = performance.now()
    expect(await late).to.equal('PONG')
    expect(performance.now() - since).to.be.below(2000)
    expect(states.at(-1)).to.equal('commands up')
  })

  it('that fails fast rejects what was under way when it broke, and sends it never again', async () => {
    const first = await server()
    const client = factory(first.url).create('publisher', { failFast: true })
    await waitFor(() => states.includes('publisher up'), { what: 'the connection' })
    await client.set('n', '0')
    first.pause()
    const underWay = client.incr('n').then(
      () => 'answered',
      () => 'rejected',
    )
    await first.kill('SIGKILL')
    expect(await underWay).to.equal('rejected')
    const offline = await client.incr('n').catch((error: unknown) => String(error))
    expect(offline).to.match(/Error/)

    await server({ port: first.port })
    await waitFor(() => states.at(-1) === 'publisher up', { what: 'the connection' })
    expect(await client.get('n')).to.equal(null)
  })

  it('that is silent for too long while an answer is due is given up and made anew', async () => {
    const redis = await server()
    const client = factory(redis.url).create('expiry', { failFast: true, silentMsMax: 300 })
    await waitFor(() => states.includes('expiry up'), { what: 'the connection' })
    await new Promise((resolve) => setTimeout(resolve, 600)) // nothing is due
    expect(await client.ping()).to.equal('PONG')
    redis.pause()
    const outcome: unknown = await client.ping().catch((error: unknown) => error)
    redis.resume()
    expect(outcome).to.be.instanceOf(Error)
    await waitFor(() => states.at(-1) === 'expiry up', { what: 'the connection' })
    expect(states).to.deep.equal(['expiry down', 'expiry up', 'expiry down', 'expiry up'])
  })

  it('uses the password of redis.url', async () => {
    const redis = await server({ password: 'p@ss/word' })
    const client = factory(`redis://:${encodeURIComponent('p@ss/word')}@127.0.0.1:${redis.port}`).create(
      'commands',
    )
    expect(await client.ping()).to.equal('PONG')
  })

  for (const [what, credentials, line] of [
    ['missing', '', 'wants a password: set redis.url to redis://:PASSWORD@HOST:PORT'],
    ['wrong', ':wr0ng@', 'refuses the user or password: correct redis.url'],
  ] as const)
    it(`logs what to do about a ${what} password, once and without the password, and tries on`, async () => {
      const redis = await server({ password: 's3cret' })
      factory(`redis://${credentials}127.0.0.1:${redis.port}`).create('commands')
      await waitFor(() => log.includes(line), { timeoutMs: 15_000, what: 'the line' })
      await new Promise((resolve) => setTimeout(resolve, 7_000))
      expect(log).to.not.match(/wr0ng|s3cret/)
      expect(log).to.not.include('Redis serves again')
      expect(log.split(line)).to.have.length(2)
      expect(states).to.deep.equal(['commands down'])
    })

  it('logs that nothing listens, and connects once something does', async () => {
    const port = await freePort()
    const client = factory(`redis://127.0.0.1:${port}`).create('commands')
    await waitFor(() => log.includes('nothing listens'), { what: 'the line' })
    expect(log).to.include(`redis://127.0.0.1:${port} (redis.url)`)
    await server({ port })
    expect(await client.ping()).to.equal('PONG')
  })
})
