import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { systemClock } from '@wazo-websocketd/shared/runtime/clock'
import { RedisFactory, type RedisFactoryOptions } from '@wazo-websocketd/shared/redis/client'
import { hashTag, hashToken } from '@wazo-websocketd/shared/runtime/token-hash'
import { bulkJob, openQueue } from '@wazo-websocketd/edge/auth/expiry/queue'
import { ExpiryWorker } from '@wazo-websocketd/edge/auth/expiry/queue-worker'
import { expiryNoticeChannel } from '@wazo-websocketd/edge/auth/expiry/notice'
import { expect } from 'chai'
import { pino } from 'pino'
import { startGuarded, temporaryDirectory } from '../support/guard.mjs'
import { freePort, probe } from '../support/port.mjs'
import { startRedis } from '../support/redis.mjs'
import { waitFor } from '../support/wait.mjs'

type Server = Awaited<ReturnType<typeof startRedis>>

const PASSWORD = 's3cret'
const PREFIX = 'wazo-ws'

describe('connections to what sentinels call master', function () {
  this.timeout(40_000)

  const factories: RedisFactory[] = []
  const ends: (() => unknown)[] = []
  let log: string

  beforeEach(() => (log = ''))
  afterEach(async () => {
    for (const factory of factories.splice(0)) factory.close()
    for (const end of ends.splice(0).reverse()) await end()
  })

  async function server(master?: Server): Promise<Server> {
    const replica = master === undefined ? [] : ['--replicaof', `127.0.0.1 ${master.port}`]
    const args = ['--masterauth', PASSWORD, '--repl-diskless-sync-delay', '0', ...replica]
    const redis = await startRedis({ password: PASSWORD, args })
    ends.push(() => redis.kill())
    return redis
  }

  /** One sentinel alone decides. */
  async function sentinel(master: Server, auth: readonly string[] = []): Promise<string> {
    const port = await freePort()
    const file = join(await temporaryDirectory('sentinel'), 'sentinel.conf')
    const lines = [
      `port ${port}`,
      'bind 127.0.0.1',
      `sentinel monitor main 127.0.0.1 ${master.port} 1`,
      `sentinel auth-pass main ${PASSWORD}`,
      'sentinel down-after-milliseconds main 500',
      'sentinel failover-timeout main 3000',
      ...auth,
    ]
    await writeFile(file, `${lines.join('\n')}\n`)
    const running = startGuarded('redis-server', [file, '--sentinel'])
    ends.push(() => running.terminate('SIGKILL'))
    await waitFor(async () => (await probe(port, 'PING\r\n')) !== null, { what: 'a sentinel' })
    return `127.0.0.1:${port}`
  }

  function factory(sentinels: readonly string[], over: Partial<RedisFactoryOptions> = {}): RedisFactory {
    const made = new RedisFactory({
      url: `redis://:${PASSWORD}@ignored/3`,
      cluster: null,
      sentinels,
      sentinelName: 'main',
      logger: pino({ level: 'debug' }, { write: (line: string) => void (log += line) }),
      clock: systemClock,
      ...over,
    })
    factories.push(made)
    return made
  }

  for (const [what, signal, auth] of [
    ['when the old one has died', 'SIGKILL', []],
    ['when the old one hangs; sentinels have the password, too', 'SIGSTOP', [`requirepass ${PASSWORD}`]],
  ] as const)
    it(`all lead to the new master, those of the expiry queue too, ${what}`, async () => {
      const first = await server()
      const second = await server(first)
      const sentinels = [`127.0.0.1:${await freePort()}`, await sentinel(first, auth)]
      const made = factory(sentinels)
      const plain = made.create('plain')
      const fast = made.create('fast', { failFast: true })
      await plain.set('n', '1')
      expect(await plain.call('CLIENT', 'INFO')).to.match(/ db=3 /)
      const queue = openQueue(made.create('expiry', { failFast: true }), PREFIX)
      const timers = new ExpiryWorker({
        client: made.create('timers', { silentMsMax: 12_000 }),
        prefix: PREFIX,
        database: 3,
        clock: systemClock,
        authTime: Date.now,
        logger: pino({ level: 'debug' }, { write: (line: string) => void (log += line) }),
        metrics: { jobs: () => undefined },
      })
      timers.start()
      ends.push(() => timers.stop())
      const heard: string[] = []
      const listener = made.create('listener')
      listener.on('message', (_channel: string, text: string) => heard.push(text))
      const channel = expiryNoticeChannel(PREFIX, 3)
      await listener.subscribe(channel)
      const due = (token: string, inMs: number) => {
        const dueAt = Date.now() + inMs
        return queue.addBulk([bulkJob({ hash: hashToken(token), dueAt, expiresAt: dueAt }, Date.now())])
      }
      await due('early', 50)
      await waitFor(() => heard.length === 1, { what: 'the first notice' })
      await waitFor(
        async () =>
          /master_link_status:up/.test(
            String(await probe(second.port, `AUTH ${PASSWORD}\r\nINFO replication\r\n`)),
          ),
        { what: 'a replica in step' },
      )
      await due('late', 2500)
      await plain.set('n', '1')
      expect(await plain.wait(1, 5000)).to.equal(1) // the replica has all of it
      await first.kill(signal)
      const since = performance.now()
      await plain.set('n', '2') // waits for the new master
      await waitFor(
        () =>
          fast.set('n', '3').then(
            () => true,
            () => false,
          ),
        { timeoutMs: 8000, what: 'a connection that fails fast' },
      )
      expect(performance.now() - since).to.be.below(6000)
      // Its notice may come before the listener has subscribed to the new master.
      await waitFor(() => log.includes(hashTag(hashToken('late'))), {
        timeoutMs: 6000,
        what: 'a job from before the failover',
      })
      expect(performance.now() - since).to.be.below(6000)
      const subscribers = () => probe(second.port, `AUTH ${PASSWORD}\r\nPUBSUB NUMSUB ${channel}\r\n`)
      await waitFor(async () => String(await subscribers()).includes(':1\r\n'), {
        timeoutMs: 6000,
        what: 'the listener at the new master',
      })
      await waitFor(
        () =>
          due('new', 50).then(
            () => true,
            () => false,
          ),
        { what: 'a new job' },
      )
      await waitFor(() => heard.some((notice) => notice.includes(hashToken('new'))), {
        timeoutMs: 3000,
        what: 'a new job',
      })
      expect(log).to.not.include(PASSWORD)
      await queue.close()
    })

  it('tell in one line what is wrong with the sentinels', async () => {
    const port = await freePort()
    const none = factory([`127.0.0.1:${port}`])
    none.create('a')
    await waitFor(() => log.includes(`no sentinel at 127.0.0.1:${port} (redis.sentinels) answers`), {
      what: 'the line',
    })
    expect(log).to.not.include('redis.sentinel_name')
    const first = await server()
    const address = await sentinel(first)
    factory([address], { sentinelName: 'other' }).create('b')
    await waitFor(() => log.includes('knows a master \\"other\\": correct redis.sentinel_name'), {
      what: 'the line',
    })
    factory([await sentinel(first, ['requirepass another'])]).create('c')
    await waitFor(() => log.includes('want another password than that of redis.url'), { what: 'the line' })
  })
})

describe('a connection to a Redis that becomes a replica', function () {
  this.timeout(20_000)

  it('is made anew: what waits is carried out once there is a master, what fails fast is refused', async () => {
    const [first, second] = [await startRedis(), await startRedis()]
    let log = ''
    /** The roles of connections that were not up: once each at the beginning. */
    const down: string[] = []
    const made = new RedisFactory({
      url: first.url,
      cluster: null,
      logger: pino({}, { write: (line: string) => void (log += line) }),
      clock: systemClock,
      connected: (role, up) => {
        if (!up) down.push(role)
      },
    })
    try {
      const plain = made.create('plain')
      const fast = made.create('fast', { failFast: true })
      await plain.set('n', '1')
      await waitFor(
        () =>
          fast.set('n', '1').then(
            () => true,
            () => false,
          ),
        { what: 'both' },
      )
      await plain.call('REPLICAOF', '127.0.0.1', `${second.port}`)
      const waiting = plain.set('n', '2')
      const outcome: unknown = await fast.set('n', '3').catch((error: unknown) => error)
      expect(outcome)
        .to.be.instanceOf(Error)
        .with.property('message')
        .that.matches(/READONLY/)
      await waitFor(() => down.length >= 5, { what: 'connections made anew' })
      expect(log.split('no master')).to.have.length(2)
      const admin = made.create('admin')
      await admin.call('REPLICAOF', 'NO', 'ONE')
      expect(await waiting).to.equal('OK')
      await waitFor(
        () =>
          fast.set('n', '4').then(
            () => true,
            () => false,
          ),
        { what: 'it to take writes' },
      )
      expect(log.split('\n').length).to.be.below(20)
    } finally {
      made.close()
      await Promise.all([first.kill(), second.kill()])
    }
  })
})
