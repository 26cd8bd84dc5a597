import { RedisTickets } from '@wazo-websocketd/edge/drain/redis-tickets'
import type { TicketDraft } from '@wazo-websocketd/edge/drain/tickets'
import { type Positions, type Epoch, type Offset } from '@wazo-websocketd/shared/domain/position'
import { parseTokenId } from '@wazo-websocketd/shared/domain/identity'
import { systemClock as clock } from '@wazo-websocketd/shared/runtime/clock'
import { RedisFactory, type RedisClient } from '@wazo-websocketd/shared/redis/client'
import { drainChannel, ticketsKey } from '@wazo-websocketd/shared/redis/layout'
import { hashToken } from '@wazo-websocketd/shared/runtime/token-hash'
import { expect } from 'chai'
import { Redis } from 'ioredis'
import { pino } from 'pino'
import { startRedis } from '../support/redis.mjs'
import { startRedisCluster } from '../support/redis-cluster.mjs'
import { sleep, waitFor } from '../support/wait.mjs'

const PREFIX = 'wazo-ws'
const HISTORY_MS = 60_000
const token = parseTokenId('2a7ac2f2-6ee5-46b8-8b1c-0d1ff4b9bd0d')!

const holder = (changes: Partial<TicketDraft['connection']> = {}): TicketDraft['connection'] => ({
  version: 2,
  address: '192.0.2.1',
  subscriptions: new Set(['foo']),
  ...changes,
})

const at = (...offsets: readonly Offset[]): Positions =>
  new Map(offsets.map((offset, partition) => [partition, { epoch: 'epoch' as Epoch, offset }]))

describe('tickets in Redis', function () {
  this.timeout(30_000)
  const opened: (() => unknown)[] = []
  let server: Awaited<ReturnType<typeof startRedis>>
  let raw: Redis
  const said: string[] = []
  let one: RedisTickets
  let other: RedisTickets

  beforeEach(async () => {
    server = await startRedis()
    opened.push(() => server.stop())
    raw = new Redis(server.url)
    raw.on('error', () => undefined)
    opened.push(() => raw.disconnect())
    one = await tickets()
    other = await tickets()
  })

  afterEach(async () => {
    for (const close of opened.splice(0).reverse()) await close()
  })

  async function tickets(historyMs = HISTORY_MS): Promise<RedisTickets> {
    const logger = pino({}, { write: (line) => said.push(line) })
    const factory = new RedisFactory({ url: server.url, cluster: null, logger, clock })
    const client = factory.create('commands', { failFast: true })
    opened.push(() => factory.close())
    await waitFor(() => client.status === 'ready', { what: 'the connection' })
    return new RedisTickets({ prefix: PREFIX, historyMs, client: () => client, clock, logger })
  }

  /** A session drained at these positions, with nobody else about. */
  async function leave(from: RedisTickets, positions: Positions, who = holder()): Promise<string> {
    const ids = (await from.draft(token, [{ connection: who, positions }]))!
    const agreement = await from.agree(token, ids, false)
    if (agreement.kind !== 'leave') throw new Error(`told to ${agreement.kind}`)
    const id = ids[0]!
    expect(await from.issue(token, [{ id, connection: who, positions: agreement.at.get(id)! }])).to.equal(
      true,
    )
    return id
  }

  it('are taken by exactly one of many, and found from another host', async () => {
    await leave(one, at(7, 8))
    const taken = await Promise.all(Array.from({ length: 50 }, () => other.take(token, holder())))
    const got = taken.filter((ticket) => ticket !== null)
    expect(got.map(({ positions }) => positions)).to.deep.equal([at(7, 8)])
  })

  it('are found only under their token, which stands nowhere', async () => {
    await leave(one, at(7))
    expect(await other.take(parseTokenId('another')!, holder())).to.equal(null)
    const keys = await raw.keys('*')
    expect(keys).to.deep.equal([ticketsKey(PREFIX, hashToken(token))])
    expect(keys.join() + (await raw.hvals(keys[0]!)).join()).to.not.include(token)
    expect(await raw.pttl(keys[0]!)).to.be.within(HISTORY_MS - 5_000, HISTORY_MS)
  })

  it('suit by version, then names, then address; of equal ones the latest is taken', async () => {
    const names = new Set(['other'])
    const kinds = [
      holder({ version: 1 }),
      holder({ subscriptions: names }),
      holder({ address: '192.0.2.2' }),
      holder(),
    ]
    const ids: string[] = []
    for (const who of kinds) ids.push(await leave(one, at(5), who))
    for (const kind of [3, 2, 1, 0]) expect((await other.take(token, holder()))?.id).to.equal(ids[kind])

    await leave(one, at(6))
    await sleep(5)
    const latest = await leave(one, at(6))
    expect((await other.take(token, holder()))?.id).to.equal(latest)
  })

  it('cannot be taken before they are issued, nor once they are withdrawn', async () => {
    const ids = (await one.draft(token, [{ connection: holder(), positions: at(7) }]))!
    expect(await other.take(token, holder())).to.equal(null)
    await one.agree(token, ids, false)
    expect(await other.take(token, holder())).to.equal(null)
    await one.issue(token, [{ id: ids[0]!, connection: holder(), positions: at(7) }])
    one.withdraw(token, ids)
    await waitFor(async () => (await raw.dbsize()) === 0, { what: 'nothing to be left' })
    expect(await other.take(token, holder())).to.equal(null)
  })

  it('can be taken again when they were taken in vain, not when they were never there', async () => {
    await leave(one, at(7))
    const first = (await one.take(token, holder()))!
    expect(await other.take(token, holder())).to.equal(null)
    one.restore(token, first.id)
    one.restore(token, 'unknown')
    let second = null
    await waitFor(async () => (second = await other.take(token, holder())) !== null, { what: 'the ticket' })
    expect(second).to.deep.equal(first)
  })

  it('are worth nothing after the history, though others of the token are young', async () => {
    const short = await tickets(300)
    await leave(short, at(7))
    await sleep(400)
    const id = await leave(one, at(9), holder({ version: 1 }))
    expect((await short.take(token, holder()))?.id).to.equal(id)
    expect(await short.take(token, holder())).to.equal(null)
  })

  it('of sessions that leave at the same time are for the furthest place, in each partition', async () => {
    const a = (await one.draft(token, [{ connection: holder(), positions: at(10, 21) }]))!
    const b = (await other.draft(token, [{ connection: holder(), positions: at(12, 20) }]))!
    for (const [agreement, ids] of [
      [await one.agree(token, a, false), a],
      [await other.agree(token, b, false), b],
    ] as const) {
      if (agreement.kind !== 'leave') throw new Error(agreement.kind)
      expect(agreement.at.get(ids[0]!)).to.deep.equal(at(12, 21))
    }
  })

  it('are not made for another place while those that left before are expected back, but at the last call', async () => {
    await leave(one, at(10))
    const draft = async (offset: Offset) =>
      (await other.draft(token, [{ connection: holder(), positions: at(offset) }]))!
    expect(await other.agree(token, await draft(11), false)).to.deep.equal({ kind: 'wait' })
    const [same] = await draft(9)
    const agreement = await other.agree(token, [same!], false)
    expect(agreement.kind === 'leave' && agreement.at.get(same!)).to.deep.equal(at(10))
    other.withdraw(token, [same!])
    const [last] = await draft(12)
    const forced = await other.agree(token, [last!], true)
    expect(forced.kind === 'leave' && forced.at.get(last!)).to.deep.equal(at(12))
    other.withdraw(token, [last!])
    await one.take(token, holder())
    expect((await other.agree(token, await draft(13), false)).kind).to.equal('leave')
  })

  it('of another epoch do not move anybody', async () => {
    const stranger = new Map([[0, { epoch: 'elsewhere' as Epoch, offset: 99 }]])
    await one.draft(token, [{ connection: holder(), positions: stranger }])
    await leave(other, at(10))
    expect((await one.take(token, holder()))?.positions).to.deep.equal(at(10))
  })

  it('of another form are left alone, and keep nobody from those that are known', async () => {
    const key = ticketsKey(PREFIX, hashToken(token))
    const later = { form: 2, place: 'elsewhere', state: 'issued' }
    const foreign = { newer: JSON.stringify(later), bytes: 'not JSON', list: '[1]' }
    await raw.hset(key, foreign)
    expect(await other.take(token, holder())).to.equal(null)
    other.restore(token, 'newer')
    await leave(one, at(7))
    expect((await other.take(token, holder()))?.positions).to.deep.equal(at(7))
    expect(await other.take(token, holder())).to.equal(null)
    expect(await raw.hgetall(key)).to.include(foreign)
    expect(said.filter((line) => line.includes('of a form that this program does not know'))).to.have.length(
      2,
    )
  })

  it('call the workers that listen', async () => {
    const heard: string[] = []
    const listener = new Redis(server.url)
    opened.push(() => listener.disconnect())
    listener.on('message', (_channel, text: string) => heard.push(text))
    await listener.subscribe(drainChannel(PREFIX))
    one.announce(token)
    await waitFor(() => heard.length > 0, { what: 'the call' })
    expect(heard).to.deep.equal([one.tokenHash(token)])
  })

  it('are given up within some seconds while Redis does not answer', async () => {
    await leave(one, at(7))
    server.pause()
    const begun = performance.now()
    const answers = await Promise.all([
      one.draft(token, [{ connection: holder(), positions: at(8) }]),
      one.issue(token, [{ id: 'x', connection: holder(), positions: at(8) }]),
      one.agree(token, ['x'], false),
      one.take(token, holder()),
    ])
    expect(performance.now() - begun).to.be.below(4_000)
    expect(answers).to.deep.equal([null, false, { kind: 'failed' }, null])
    server.resume()
  })

  it('survive a try whose answer is lost: the next one gets the same ticket', async () => {
    await leave(one, at(7))
    let swallowed = 0
    const client = await deafOnce(() => swallowed++)
    const logger = pino({ level: 'silent' })
    const flaky = new RedisTickets({
      prefix: PREFIX,
      historyMs: HISTORY_MS,
      client: () => client,
      clock,
      logger,
    })
    expect((await flaky.take(token, holder()))?.positions).to.deep.equal(at(7))
    expect(swallowed).to.equal(1)
  })

  /** A connection whose first script runs, but the answer never comes. */
  async function deafOnce(swallow: () => void): Promise<RedisClient> {
    const client = new Redis(server.url)
    opened.push(() => client.disconnect())
    await one.take(parseTokenId('warm-up')!, holder()) // Redis knows the script
    const call = client.callBuffer.bind(client) as (...parts: string[]) => Promise<unknown>
    let first = true
    client.callBuffer = ((...parts: string[]) => {
      const answer = call(...parts)
      if (!first) return answer
      first = false
      swallow()
      return answer.then(() => new Promise(() => undefined))
    }) as typeof client.callBuffer
    return client
  }
})

describe('tickets in a Redis Cluster', function () {
  this.timeout(40_000)

  it('lie in the slots of their tokens', async () => {
    const redis = await startRedisCluster(3)
    const logger = pino({ level: 'silent' })
    const factory = new RedisFactory({ url: redis.nodes[0]!.url, cluster: redis.addresses, logger, clock })
    try {
      const client = factory.create('commands', { failFast: true })
      await waitFor(() => client.status === 'ready', { what: 'the connection' })
      const tickets = new RedisTickets({
        prefix: PREFIX,
        historyMs: HISTORY_MS,
        client: () => client,
        clock,
        logger,
      })
      const owners = new Set<number>()
      for (let i = 0; i < 20; i++) {
        const each = parseTokenId(`token-${i}`)!
        const [id] = (await tickets.draft(each, [{ connection: holder(), positions: at(i) }]))!
        expect((await tickets.agree(each, [id!], false)).kind).to.equal('leave')
        await tickets.issue(each, [{ id: id!, connection: holder(), positions: at(i) }])
        expect((await tickets.take(each, holder()))?.positions).to.deep.equal(at(i))
        owners.add(await redis.ownerOf(ticketsKey(PREFIX, hashToken(each))))
      }
      expect(owners.size).to.be.above(1)
    } finally {
      factory.close()
      await redis.stop()
    }
  })
})
