import { connect, type Channel, type ChannelModel } from 'amqplib'
import { expect } from 'chai'
import { Redis } from 'ioredis'
import { READ_SCRIPT } from '@wazo-websocketd/edge/bus/log'
import { AGREE, RESTORE, TAKE, WRITE } from '@wazo-websocketd/edge/drain/ticket-scripts'
import { TICKET_FORM } from '@wazo-websocketd/edge/drain/ticket'
import { keys, NEW_EPOCH_SCRIPT, PUBLISH_SCRIPT, SEED_SCRIPT } from '@wazo-websocketd/shared/redis/layout'
import type { Script } from '@wazo-websocketd/shared/redis/script'
import { connectAmqp } from '../simulation/amqp-client.js'
import { RedisServer } from '../simulation/redis-server.js'
import { Scheduler, SimulatedProcess } from '../simulation/scheduler.js'
import { StreamBroker } from '../simulation/stream-broker.js'
import { sharedRabbit } from '../support/rabbitmq.mjs'
import { startRedis } from '../support/redis.mjs'
import { Random } from '../support/scenario/random.js'
import { sleep } from '../support/wait.mjs'

const SEED = 20_261_201
const { meta: META, log: LOG, live: LIVE } = keys('p', 0)
const TICKETS = 'p:{t}:tickets'
const KEPT_MS = 1_000_000_000
type Argument = string | number | Buffer

/** Rows of tickets, and the partitions in a row, come in any order. */
function inOrder(reply: unknown): unknown {
  const texts = readable(reply)
  if (!Array.isArray(texts)) return texts
  const words = texts.map((each: unknown) =>
    Array.isArray(each) ? [...(each as unknown[])].sort().join(' ') : String(each),
  )
  return words.sort()
}

/** Buffers as texts, at any depth. */
function readable(reply: unknown): unknown {
  if (Buffer.isBuffer(reply)) return reply.toString()
  return Array.isArray(reply) ? reply.map(readable) : reply
}

describe('The model of Redis answers as Redis does', function () {
  this.timeout(60_000)
  let server: Awaited<ReturnType<typeof startRedis>>
  let redis: Redis

  before(async () => {
    server = await startRedis()
    redis = new Redis(server.url)
  })

  after(async () => {
    redis.disconnect()
    await server.stop()
  })

  /** A random command, with numbers around `head`. */
  function command(random: Random, head: number): readonly [string, ...Argument[]] {
    const near = (): number => Math.max(0, head + Math.floor(random.between(-3, 4)))
    const epoch = random.pick(['E', 'E', 'E', 'F'])
    const script = (source: string, ...args: Argument[]) => ['EVAL', source, 2, META, LOG, ...args] as const
    switch (
      random.pick(['publish', 'publish', 'publish', 'publish', 'read', 'read', 'seed', 'epoch', 'fields'])
    ) {
      case 'publish': {
        const prev = random.chance(0.7) ? head : near()
        const last = prev + 1 + Math.floor(random.between(0, 3))
        const batch = Buffer.from('x'.repeat(Math.floor(random.between(1, 300))))
        const range = [epoch, `${prev}`, `${last}`, `f${last}`, '']
        // Time does not count: it is not the same for both.
        return script(PUBLISH_SCRIPT, ...range, batch, 'PUBLISH', LIVE, '1000000000', '4000')
      }
      case 'read':
        return script(
          READ_SCRIPT,
          random.chance(0.2) ? '' : `${near()}`,
          random.pick([1, 3, 1024]),
          random.pick([100, 500, 1e6]),
        )
      case 'seed':
        return script(SEED_SCRIPT, epoch, `${near()}`, 'f', 's', '1', `${near()}`)
      case 'epoch':
        return script(NEW_EPOCH_SCRIPT, random.pick(['', 'E', 'F']), epoch, `${near()}`, 'f', 's', '1')
      default:
        return ['HMGET', META, 'epoch', 'head', 'fingerprint', 'stream', 'partitions', 'replay_end', 'form']
    }
  }

  it('to 3,000 random calls of the scripts, and holds the same afterwards', async () => {
    const random = new Random(SEED)
    const model = new RedisServer(() => Date.now())
    let head = 5
    let written = 0
    for (let n = 0; n < 3000; n++) {
      if (random.chance(0.01)) {
        await redis.del(META, LOG)
        model.call('DEL', [META, LOG])
      }
      const [name, ...args] = command(random, head)
      const real = readable(await redis.callBuffer(name, ...args))
      expect(readable(model.call(name, args)), `call ${n}: ${name} ${String(args.slice(4))}`).to.deep.equal(
        real,
      )
      if (Array.isArray(real) && real[0] === 'OK') written++
      const recorded = await redis.hget(META, 'head')
      if (recorded !== null) head = Number(recorded)
    }
    expect(written, 'calls that wrote').to.be.above(500)
    // Time is not the same for both.
    const timeless = { mark_ms: null, mark_clock: null }
    const modelled = Object.fromEntries(
      [...model.hash(META)!].map(([field, value]) => [field, value.toString()]),
    )
    expect({ ...modelled, ...timeless }).to.deep.equal({ ...(await redis.hgetall(META)), ...timeless })
    const entries = await redis.xrange(LOG, '-', '+')
    const entriesOfModel = model.stream(LOG)
    expect(entriesOfModel.map(({ ms, fields }) => [`${ms}-1`, fields.map(String)])).to.deep.equal(entries)
  })

  /** A random call of a script of the tickets; `ids` are those that were written. */
  function ticketCall(random: Random, ids: string[]): readonly [Script, ...Argument[]] {
    const place = (): [string, string] => ['E', `${Math.floor(random.between(1, 99))}`]
    const ticket = (): string =>
      JSON.stringify({
        form: random.chance(0.95) ? TICKET_FORM : 99,
        at: random.chance(0.5) ? { 0: place() } : { 0: place(), 1: place() },
        version: random.pick(['1', '2']),
        names: random.pick(['a', 'b']),
        address: random.pick(['x', 'y']),
        ...(random.chance(0.2) ? { alone: true } : {}),
      })
    const some = (): string[] => random.shuffle(ids).slice(0, 1 + Math.floor(random.between(0, 3)))
    switch (random.pick(['draft', 'draft', 'agree', 'issued', 'take', 'restore'] as const)) {
      case 'draft':
        ids.push(`t${ids.length}`)
        return [WRITE, KEPT_MS, 'draft', ids.at(-1)!, ticket()]
      case 'issued':
        return [WRITE, KEPT_MS, 'issued', random.pick(ids), ticket()]
      case 'agree':
        return [AGREE, KEPT_MS, KEPT_MS, KEPT_MS, random.pick(['', '1']), ...some()]
      case 'take':
        return [TAKE, KEPT_MS, `claim${Math.floor(random.between(0, 50))}`, random.pick(['1', '2']), 'a', 'x']
      case 'restore':
        return [RESTORE, random.pick(ids)]
    }
  }

  it('to 400 random calls of the scripts of tickets', async () => {
    const random = new Random(SEED)
    const model = new RedisServer(() => Date.now())
    const modelled = {
      callBuffer: (name: string, ...args: Argument[]) => Promise.resolve(model.call(name, args)),
    }
    const ids = ['t0']
    let taken = 0
    for (let n = 0; n < 400; n++) {
      if (n % 40 === 0) for (const each of [redis, modelled]) await each.callBuffer('DEL', TICKETS)
      const [script, ...args] = ticketCall(random, ids)
      const [real, answer] = [
        await script.run(redis, [TICKETS], args),
        await script.run(modelled, [TICKETS], args),
      ]
      expect(inOrder(answer), `call ${n}: ${String(args)}`).to.deep.equal(inOrder(real))
      if (script === TAKE && Array.isArray(real)) taken++
      await sleep(2) // no two tickets are equally old
    }
    expect(taken, 'tickets taken').to.be.above(20)
  })
})

describe('The model of a stream delivers as RabbitMQ does', function () {
  this.timeout(60_000)
  const STREAM = 'fidelity.v1'
  let connection: ChannelModel

  before(async () => {
    connection = await connect(await (await sharedRabbit()).vhost('fidelity'))
    connection.on('error', () => undefined)
  })

  after(() => connection.close())

  interface Seen {
    /** Numbers of messages, and offsets in their headers, in the order of delivery. */
    readonly delivered: (readonly [n: number, offset: unknown])[]
    /** How many had been delivered whenever nothing more came. */
    readonly counts: number[]
    readonly refused: unknown[]
  }

  /** Publishes, consumes with little credit, gives it back bit by bit; `quiet` resolves when nothing more can come. */
  async function scenario(on: ChannelModel, quiet: () => Promise<void>): Promise<Seen> {
    const seen: Seen = { delivered: [], counts: [], refused: [] }
    const refusal = async (call: (channel: Channel) => Promise<unknown>): Promise<void> => {
      const channel = await on.createChannel()
      channel.on('error', () => undefined)
      await call(channel).catch((error: unknown) => seen.refused.push((error as { code?: unknown }).code))
    }
    const sender = await on.createChannel()
    await sender.assertQueue(STREAM, { durable: true, arguments: { 'x-queue-type': 'stream' } })
    const send = async (from: number, to: number): Promise<void> => {
      for (let n = from; n < to; n++) {
        sender.publish('', STREAM, Buffer.from(`${n}`))
        await quiet() // each in a chunk of its own
      }
    }
    await send(0, 12)
    const channel = await on.createChannel()
    await channel.prefetch(4)
    let tag = 0
    const consume = (from: number | string) =>
      channel.consume(
        STREAM,
        (message) => {
          tag = message!.fields.deliveryTag
          seen.delivered.push([Number(message!.content), message!.properties.headers?.['x-stream-offset']])
        },
        { noAck: false, arguments: { 'x-stream-offset': from } },
      )
    await consume(3)
    const pause = async (): Promise<void> => {
      await quiet()
      seen.counts.push(seen.delivered.length)
    }
    await pause()
    channel.ack({ fields: { deliveryTag: tag } } as never, true)
    await pause()
    await send(12, 15)
    await pause()
    channel.ack({ fields: { deliveryTag: tag } } as never, true)
    await pause()
    await refusal((other) => other.checkQueue('missing'))
    await refusal((other) => other.checkExchange('missing'))
    await refusal((other) => other.consume('missing', () => undefined))
    return seen
  }

  it('what follows an offset, as far as the credit goes, and refuses what is missing', async () => {
    const real = await scenario(connection, () => sleep(60))
    const scheduler = new Scheduler(new Random(SEED))
    const process = new SimulatedProcess(scheduler, 'client', { wall: 0, steady: 0 })
    const broker = new StreamBroker(scheduler, new Random(SEED))
    broker.skips = false
    const modelled = await scheduler.run(
      (async () => {
        const client = await connectAmqp(scheduler, new Random(SEED), broker, process)
        return scenario(client, () => scheduler.sleep(500))
      })(),
    )
    expect(real.delivered.length, 'the real one delivers').to.be.above(8)
    expect(modelled).to.deep.equal(real)
  })
})
