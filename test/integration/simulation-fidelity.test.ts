import { connect, type Channel, type ChannelModel } from 'amqplib'
import { expect } from 'chai'
import { Redis } from 'ioredis'
import { READ_SCRIPT } from '@wazo-websocketd/edge/bus/log'
import { keys, NEW_EPOCH_SCRIPT, PUBLISH_SCRIPT, SEED_SCRIPT } from '@wazo-websocketd/shared/redis/layout'
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
const TAG = '0'
type Argument = string | number | Buffer

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
        model.delete(TAG)
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
    const modelled = Object.fromEntries(model.meta(TAG) ?? [])
    expect({ ...modelled, ...timeless }).to.deep.equal({ ...(await redis.hgetall(META)), ...timeless })
    const entries = await redis.xrange(LOG, '-', '+')
    expect(model.log(TAG).map(({ last, batch }) => [`${last}-1`, batch.toString()])).to.deep.equal(
      entries.map(([id, [, batch]]) => [id, batch]),
    )
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
