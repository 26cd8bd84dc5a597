import { EXPIRY_QUEUE, jobId, queuePrefix, type ExpiryJob } from '@wazo-websocketd/edge/auth/expiry/job'
import { ExpiryQueue } from '@wazo-websocketd/edge/auth/expiry/queue'
import { ExpiryWorker } from '@wazo-websocketd/edge/auth/expiry/queue-worker'
import { expiryNoticeChannel } from '@wazo-websocketd/edge/auth/expiry/notice'
import { systemClock as clock } from '@wazo-websocketd/shared/runtime/clock'
import { RedisFactory } from '@wazo-websocketd/shared/redis/client'
import { hashToken } from '@wazo-websocketd/shared/runtime/token-hash'
import { Queue } from 'bullmq'
import { expect } from 'chai'
import { Redis } from 'ioredis'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { startRedis } from '../support/redis.mjs'
import { waitFor } from '../support/wait.mjs'
import { Counts } from '../support/fakes/tokens.js'

const PREFIX = 'wazo-ws'
const LIFE_MS = 60_000
/** From then on each worker ends a token by itself. */
const BACKSTOP_MS = 1_500

type Server = Awaited<ReturnType<typeof startRedis>>

describe("the cluster's timer for tokens, on a real Redis", function () {
  this.timeout(30_000)
  const opened: (() => unknown)[] = []
  let redis: Server
  let counts: Counts
  let log: string
  /** The notices that a worker of the cluster hears, and when. */
  let heard: { text: string; at: number }[]

  beforeEach(async () => {
    redis = await startRedis()
    counts = new Counts()
    log = ''
    heard = []
  })

  afterEach(async () => {
    for (const close of opened.splice(0).reverse()) await close()
    await redis.stop()
  })

  const logger = () => pino({ level: 'debug' }, { write: (line: string) => void (log += line) })

  function factory(): RedisFactory {
    const made = new RedisFactory({ url: redis.url, cluster: null, logger: logger(), clock })
    opened.push(() => made.close())
    return made
  }

  /** The adding side of one edge worker whose tokens have these jobs. */
  async function adder(live: readonly ExpiryJob[] = []): Promise<ExpiryQueue> {
    const client = factory().create('expiry', { failFast: true, silentMsMax: 1_000 })
    const queue = new ExpiryQueue({
      client,
      prefix: PREFIX,
      clock,
      authTime: () => Date.now(),
      liveJobs: () => live,
      logger: logger(),
      metrics: counts,
    })
    opened.push(() => queue.close())
    await waitFor(() => client.status === 'ready', { what: 'the connection' })
    return queue
  }

  /** The processing side of one host, whose clock may be wrong. */
  function processor(aheadMs = 0): ExpiryWorker {
    const worker = new ExpiryWorker({
      client: factory().create('expiry-worker', { silentMsMax: 12_000 }),
      prefix: PREFIX,
      clock,
      authTime: () => Date.now() + aheadMs,
      logger: logger(),
      metrics: counts,
    })
    worker.start()
    opened.push(() => worker.stop())
    return worker
  }

  async function listen(): Promise<void> {
    const subscriber = new Redis(redis.url)
    opened.push(() => subscriber.disconnect())
    subscriber.on('error', () => undefined)
    subscriber.on('message', (_channel, text: string) => heard.push({ text, at: Date.now() }))
    await subscriber.subscribe(expiryNoticeChannel(PREFIX))
  }

  function commands(): Redis {
    const client = new Redis(redis.url)
    opened.push(() => client.disconnect())
    return client
  }

  function job(token: string, inMs: number, lifeMs = LIFE_MS): ExpiryJob {
    const now = Date.now()
    return { hash: hashToken(token), dueAt: now + inMs, expiresAt: now + lifeMs }
  }

  const waitingJobs = (client: Redis) => client.zcard(`${queuePrefix(PREFIX)}:${EXPIRY_QUEUE}:delayed`)

  it('adds one job per token, whoever adds it and however often', async () => {
    const queues = [await adder(), await adder()]
    for (let i = 0; i < 3; i++)
      for (const queue of queues) for (const token of ['a', 'b']) queue.add(job(token, 10_000 + i))
    const client = commands()
    await waitFor(async () => (await waitingJobs(client)) === 2, { what: 'two jobs' })
    await sleep(200)
    expect(await waitingJobs(client)).to.equal(2)
    const key = `${queuePrefix(PREFIX)}:${EXPIRY_QUEUE}:${jobId(hashToken('a'))}`
    expect(JSON.parse((await client.hget(key, 'data')) ?? '')).to.have.keys(
      'hash',
      'utc_expires_at',
      'utc_due_at',
    )
  })

  it('tells the cluster once of a job that is due, what is to be done, and keeps nothing of the token', async () => {
    await listen()
    processor()
    processor()
    const queue = await adder()
    queue.add(job('checked', 300))
    queue.add(job('over', 300, 300))
    await waitFor(() => heard.length >= 2, { what: 'both notices' })
    await sleep(300)
    expect(heard.map(({ text }) => text).sort()).to.deep.equal(
      [`expired ${hashToken('over')}`, `re-check ${hashToken('checked')}`].sort(),
    )
    const client = commands()
    await waitFor(async () => (await client.keys(`*${hashToken('over')}*`)).length === 0, { what: 'no key' })
    expect(await client.keys(`*${hashToken('checked')}*`)).to.deep.equal([])
    expect(await client.keys('*:failed')).to.deep.equal([])
    expect(counts.ofQueue).to.deep.equal({ added: 2, expired: 1, 're-check': 1 })
  })

  it('tells of a token again that is added again: after a check, or with a later expiry', async () => {
    await listen()
    processor()
    const queue = await adder()
    queue.add(job('renewed', 200))
    await waitFor(() => heard.length === 1, { what: 'the first check' })
    const client = commands()
    await waitFor(async () => (await client.keys(`*${hashToken('renewed')}*`)).length === 0, {
      what: 'its end',
    })
    queue.add(job('renewed', 300, 300))
    queue.add(job('renewed', 200, 2 * LIFE_MS))
    await waitFor(() => heard.length === 2, { what: 'the second check' })
    await sleep(300)
    // The later one of a window counts.
    expect(heard.map(({ text }) => text)).to.deep.equal([
      `re-check ${hashToken('renewed')}`,
      `re-check ${hashToken('renewed')}`,
    ])
  })

  it("puts a job back that comes too early by wazo-auth's clock, and tells in time", async () => {
    await listen()
    processor(-3_000)
    const due = job('early', 500)
    ;(await adder()).add(due)
    await waitFor(() => heard.length === 1, { what: 'the notice', timeoutMs: 10_000 })
    expect((heard[0]?.at ?? 0) - due.dueAt).to.be.within(2_500, 4_500) // its clock is 3 s behind
    expect(counts.ofQueue).to.include({ early: 1, 're-check': 1 })
  })

  it('neither waits nor throws while Redis is away, and adds what lives as soon as it is back, empty', async () => {
    const queue = await adder([job('live', 20_000)])
    await redis.kill('SIGKILL')
    queue.add(job('lost', 20_000))
    await sleep(300)
    redis = await startRedis({ port: redis.port })
    const client = commands()
    await waitFor(async () => (await waitingJobs(client)) === 1, { what: 'the live job' })
    expect(await client.keys(`*${hashToken('live')}`)).to.have.length(1)
    expect(await client.keys(`*${hashToken('lost')}`)).to.deep.equal([])
    expect(await client.hget(`${queuePrefix(PREFIX)}:${EXPIRY_QUEUE}:meta`, 'opts.maxLenEvents')).to.equal(
      '100',
    )
  })

  it('notices a Redis that has fallen silent, and adds what lives when it speaks again', async () => {
    const queue = await adder([job('live', 20_000)])
    redis.pause()
    queue.add(job('stuck', 20_000))
    await sleep(1_500)
    redis.resume()
    const client = commands()
    await waitFor(async () => (await client.keys(`*${hashToken('live')}`)).length === 1, {
      what: 'the live job',
    })
    expect(log).to.include('connection to Redis lost')
  })

  it('says that Redis takes no jobs, and tries again', async () => {
    const client = commands()
    const live: ExpiryJob[] = []
    const queue = await adder(live)
    await client.config('SET', 'maxmemory', '1')
    live.push(job('live', 20_000))
    queue.add(live[0] as ExpiryJob)
    await waitFor(() => log.includes('takes no jobs'), { what: 'the line' })
    expect(counts.ofQueue['refused']).to.equal(1)
    await client.config('SET', 'maxmemory', '0')
    await waitFor(async () => (await waitingJobs(client)) === 1, { what: 'the job', timeoutMs: 8_000 })
  })

  it('drops what is none of its jobs, and goes on', async () => {
    await listen()
    processor()
    const connection = commands()
    const foreign = new Queue(EXPIRY_QUEUE, { connection, prefix: queuePrefix(PREFIX) })
    opened.push(() => foreign.close())
    for (const data of [null, {}, { hash: 'x' }, { hash: hashToken('a'), utc_expires_at: 1, utc_due_at: 2 }])
      await foreign.add('other', data)
    // One that has the place of a token's job, and does not ask to be removed.
    await foreign.add('other', {}, { jobId: jobId(hashToken('good')) })
    await waitFor(() => counts.ofQueue['invalid'] === 5, { what: 'five dropped' })
    await waitFor(async () => (await foreign.getActiveCount()) === 0, { what: 'their end' })
    ;(await adder()).add(job('good', 100))
    await waitFor(() => heard.length === 1, { what: 'the notice' })
    expect(await foreign.getCompletedCount()).to.equal(0)
    expect(heard[0]?.text).to.equal(`re-check ${hashToken('good')}`)
  })

  it('does the jobs of a worker that died in the middle of them', async () => {
    await listen()
    const client = commands()
    ;(await adder()).add(job('stalled', 1))
    const base = `${queuePrefix(PREFIX)}:${EXPIRY_QUEUE}`
    await waitFor(async () => (await waitingJobs(client)) === 1, { what: 'the job' })
    // As a worker leaves it that is killed: active, and its lock has run out.
    await client
      .multi()
      .zrem(`${base}:delayed`, jobId(hashToken('stalled')))
      .lpush(`${base}:active`, jobId(hashToken('stalled')))
      .exec()
    processor()
    await waitFor(() => heard.length === 1, { what: 'the notice', timeoutMs: 12_000 })
    expect(heard[0]?.text).to.equal(`re-check ${hashToken('stalled')}`)
  })

  it('adds in windows, and tells 800 tokens of one instant before the backstop has to', async () => {
    await listen()
    processor()
    const queue = await adder()
    const dueAt = Date.now() + 2_500
    for (let i = 0; i < 800; i++) queue.add({ ...job(`token ${i}`, 0), dueAt })
    await waitFor(() => heard.length === 800, { what: 'all notices', timeoutMs: 15_000 })
    const late = heard.map(({ at }) => at - dueAt).sort((a, b) => a - b)
    expect(late[0]).to.be.at.least(0)
    expect(late[Math.floor(late.length * 0.99)]).to.be.at.most(BACKSTOP_MS)
    const client = commands()
    await waitFor(async () => (await client.keys(`${queuePrefix(PREFIX)}:${EXPIRY_QUEUE}:t*`)).length === 0, {
      what: 'no job left',
    })
    // BullMQ's own bookkeeping, however many tokens there were.
    expect((await client.keys('*')).length).to.be.at.most(6)
    expect(await client.xlen(`${queuePrefix(PREFIX)}:${EXPIRY_QUEUE}:events`)).to.be.at.most(400)
  })

  it('stops within a second or so, also when Redis does not answer', async () => {
    const worker = processor()
    await waitFor(() => log.includes('connected to Redis'), { what: 'the connection' })
    await sleep(300)
    redis.pause()
    const from = performance.now()
    await worker.stop()
    redis.resume()
    expect(performance.now() - from).to.be.below(1_500)
  })
})
