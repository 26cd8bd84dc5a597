import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import { Redis } from 'ioredis'
import { decode } from '@wazo-websocketd/shared/domain/envelope'
import { Collector } from './support/collector.js'
import { freePort } from '../support/port.mjs'
import { startProgram } from '../support/program.mjs'
import {
  customEvent,
  fromTemplate,
  LEGACY_EXCHANGE,
  openPublisher,
  type Publisher,
} from '../support/publish.js'
import { sharedRabbit } from '../support/rabbitmq.mjs'
import { startRedis } from '../support/redis.mjs'
import { waitFor } from '../support/wait.mjs'

type Program = Awaited<ReturnType<typeof startProgram>>
interface Ingest {
  program: Program
  port: number
}

async function metric(port: number, line: RegExp): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`, { signal: AbortSignal.timeout(1000) })
  return Number(line.exec(await response.text())?.[1] ?? 0)
}

describe('Ingests on a real RabbitMQ and Redis', function () {
  this.timeout(40_000)
  let rabbit: Awaited<ReturnType<typeof sharedRabbit>>
  let redis: Awaited<ReturnType<typeof startRedis>>
  let vhost: string
  let publisher: Publisher
  let collector: Collector
  let config: (port: number) => object
  const ingests: Ingest[] = []
  let sent: number[] = []
  let next = 0

  async function launch(): Promise<Ingest> {
    const port = await freePort()
    const ingest = { program: await startProgram('ingest', { config: config(port) }), port }
    ingests.push(ingest)
    await ingest.program.ready(port)
    return ingest
  }

  async function publishing(): Promise<Ingest> {
    let found: Ingest | undefined
    const look = async (): Promise<boolean> => {
      for (const ingest of ingests)
        if ((await metric(ingest.port, /^websocketd_ingest_publishing (\d)/m).catch(() => 0)) === 1)
          found = ingest
      return found !== undefined
    }
    await waitFor(look, { timeoutMs: 5000, what: 'an ingest that publishes' })
    return found!
  }

  /** Publishes the next `count` numbered events, alternating between both exchanges. */
  async function publish(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      const n = next++
      sent.push(n)
      const exchange = n % 3 === 0 ? { exchange: LEGACY_EXCHANGE, routingKey: 'any.thing' } : {}
      publisher.send(customEvent({ name: 'numbered', requiredAcl: null, data: { n }, ...exchange }))
    }
    await publisher.flush()
  }

  /** Publishes for `ms`, some 1,000 a second. */
  async function load(ms: number): Promise<void> {
    const until = Date.now() + ms
    while (Date.now() < until) {
      await publish(10)
      await delay(10)
    }
  }

  function numbers(): number[] {
    return collector.events
      .filter(({ name }) => name === 'numbered')
      .map(({ body }) => (JSON.parse(Buffer.from(body).toString()) as { data: { n: number } }).data.n)
  }

  async function expectAll(): Promise<void> {
    await waitFor(() => numbers().length >= sent.length, { timeoutMs: 15_000, what: 'every event' }).catch(
      () => undefined,
    )
    expect(collector.problems).to.deep.equal([])
    expect(numbers()).to.deep.equal(sent)
  }

  before(async () => {
    rabbit = await sharedRabbit()
    const url = await rabbit.vhost('ingest')
    vhost = new URL(url).pathname.slice(1)
    redis = await startRedis()
    config = (port) => ({
      bus: { host: '127.0.0.1', port: rabbit.port, vhost },
      redis: { url: redis.url },
      metrics: { ingest_port: port },
    })
    publisher = await openPublisher(url)
    await Promise.all([launch(), launch()])
    collector = new Collector(redis.url)
    await waitFor(() => collector.epochs.size > 0, { what: 'an epoch' })
  })

  after(async () => {
    for (const { program } of ingests) program.kill('SIGKILL')
    await collector.stop()
    await publisher.close()
    await redis.stop()
  })

  it('begin one epoch, however many start at once', () => {
    expect(collector.epochs.size).to.equal(1)
  })

  it('bring events of both exchanges into the log once and in order, and the same onto the live channel', async () => {
    const live: number[] = []
    const subscriber = new Redis(redis.url)
    subscriber.on('messageBuffer', (_channel: Buffer, message: Buffer) => {
      const batch = decode(message)
      if (batch.kind === 'batch') live.push(...batch.open().map(({ offset }) => offset))
    })
    await subscriber.subscribe('wazo-ws:{0}:live')
    await publish(500)
    await expectAll()
    expect(live).to.deep.equal(collector.events.map(({ offset }) => offset))
    subscriber.disconnect()
  })

  it('pass bodies on byte for byte, with what the headers say', async () => {
    const template = fromTemplate('auth_session_deleted', {
      session: 'the-session',
      user: 'the-user',
      tenant: 'the-tenant',
    })
    const body = '{"n":12345678901234567890, "f":1.0,\t"data":{"uuid":"the-session"}}'
    await publisher.publish({ ...template, body: Buffer.from(body) })
    await waitFor(() => collector.events.some(({ name }) => name === 'auth_session_deleted'), {
      what: 'the event',
    })
    const event = collector.events.find(({ name }) => name === 'auth_session_deleted')!
    expect(Buffer.from(event.body).toString()).to.equal(body)
    expect(event).to.include({ tenant: 'the-tenant', revokedSession: 'the-session', everyone: false })
    expect(event.users).to.deep.equal(['the-user'])
  })

  it('drop poison, count it by reason, and go on', async () => {
    const poison = { name: 'poison', requiredAcl: null }
    await publisher.publish(
      customEvent({ ...poison, body: 'nonsense' }),
      customEvent({ ...poison, body: '[]' }),
      customEvent({ ...poison, body: '\ufeff{}' }),
      customEvent({ ...poison, body: '{"a":nan}' }),
      customEvent({ ...poison, body: Buffer.from([0x7b, 0xff, 0x7d]) }),
      customEvent({ ...poison, body: Buffer.alloc(16 * 1024 * 1024, 'x') }),
      customEvent({ name: 'poison' }),
      customEvent({ name: 'poison', requiredAcl: 0 }),
      customEvent({ name: 'poison', requiredAcl: [] }),
      customEvent({
        ...poison,
        headers: { name: 7, 'user_uuid:x': { a: [1, null] }, odd: Buffer.from('x') },
      }),
      customEvent({ ...poison, headers: { tenant_uuid: 1.5 } }),
      { exchange: LEGACY_EXCHANGE, routingKey: 'x', headers: {}, body: Buffer.from('{}') },
    )
    await publish(10)
    await expectAll()
    expect(collector.events.filter(({ name }) => name === 'poison')).to.deep.equal([])
    const counts: Record<string, number> = {}
    for (const { port } of ingests)
      for (const reason of [
        'invalid_json',
        'not_an_object',
        'byte_order_mark',
        'invalid_utf8',
        'too_big',
        'no_acl',
        'bad_acl',
        'bad_name',
        'bad_tenant',
        'no_name',
      ])
        counts[reason] =
          (counts[reason] ?? 0) +
          (await metric(port, new RegExp(`^websocketd_bus_messages_total{result="${reason}"} (\\d+)`, 'm')))
    expect(counts).to.deep.equal({
      invalid_json: 2,
      not_an_object: 1,
      byte_order_mark: 1,
      invalid_utf8: 1,
      too_big: 1,
      no_acl: 1,
      bad_acl: 2,
      bad_name: 1,
      bad_tenant: 1,
      no_name: 1,
    })
  })

  it('lose and double nothing when the publishing one is killed at random moments under load', async () => {
    await Promise.all([launch(), launch()])
    for (let round = 0; round < 2; round++) {
      const loading = load(1500)
      const victim = await publishing()
      await delay(200 + Math.random() * 500)
      victim.program.kill('SIGKILL')
      ingests.splice(ingests.indexOf(victim), 1)
      const killed = Date.now()
      await loading
      await waitFor(() => collector.movedAt > killed + 50, { what: 'a takeover' })
    }
    await expectAll()
  })

  it('take over within a second from one that is frozen, which then follows', async () => {
    const victim = await publishing()
    const loading = load(2500)
    await delay(300)
    victim.program.kill('SIGSTOP')
    await delay(150)
    const before = numbers().length
    await waitFor(() => numbers().length > before, {
      timeoutMs: 1000,
      everyMs: 10,
      what: 'a takeover within a second',
    })
    await delay(1000)
    victim.program.kill('SIGCONT')
    await loading
    await expectAll()
    expect(victim).to.not.equal(await publishing())
  })

  it('carry on over connections that the broker closes', async () => {
    const loading = load(2000).catch(() => undefined) // its connection is closed, too
    await rabbit.ctl('close_all_connections', '--vhost', vhost, 'test').catch(() => '')
    await loading
    publisher = await openPublisher(`amqp://guest:guest@127.0.0.1:${rabbit.port}/${vhost}`)
    await publish(20)
    await waitFor(() => numbers().at(-1) === sent.at(-1), { timeoutMs: 10_000, what: 'the last event' })
    // What this test's own connection lost on its way to the broker is not the ingests' business.
    const got = numbers()
    expect(collector.problems).to.deep.equal([])
    expect(got).to.deep.equal([...new Set(got)].sort((a, b) => a - b))
    expect(got.slice(-20)).to.deep.equal(sent.slice(-20))
    sent = got
  })

  it('publish the same numbers in the same epoch again when Redis comes back empty', async () => {
    const loading = load(2500)
    await delay(500)
    const { port } = redis
    const cursor = collector.cursor
    await redis.kill('SIGKILL')
    await delay(300)
    redis = await startRedis({ port })
    await loading
    await expectAll()
    expect(collector.epochs.size).to.equal(1)
    const reader = new Redis(redis.url)
    const [oldest] = await reader.xrange('wazo-ws:{0}:log', '-', '+', 'COUNT', 1)
    reader.disconnect()
    expect(Number(oldest?.[0].split('-')[0]), 'the history is there again').to.be.below(cursor - 500)
  })

  it('start a new epoch when the stream is deleted', async () => {
    const admin = await openPublisher(`amqp://guest:guest@127.0.0.1:${rabbit.port}/${vhost}`)
    await rabbit.ctl('delete_queue', '-p', vhost, 'wazo-websocketd.v1')
    await waitFor(() => collector.epochs.size === 2, { timeoutMs: 10_000, what: 'a new epoch' })
    const before = collector.events.length
    await admin.publish(customEvent({ name: 'after', requiredAcl: null }))
    await waitFor(() => collector.events.length > before, {
      timeoutMs: 5000,
      what: 'an event of the new epoch',
    })
    expect(collector.events.at(-1)?.name).to.equal('after')
    await admin.close()
  })

  it('end with status 0 on SIGTERM without a word on the live channel', async () => {
    for (const { program } of ingests.splice(0)) {
      const { code } = await program.stop()
      expect(code).to.equal(0)
      expect(program.logs()).to.not.contain('    at ')
    }
  })
})
