import { connect, type Channel, type ChannelModel } from 'amqplib'
import { expect } from 'chai'
import { DEFAULT_TENANT } from '../support/auth.mjs'
import type { Client } from '../support/client.js'
import { customEvent, HEADERS_EXCHANGE, LEGACY_EXCHANGE, openPublisher } from '../support/publish.js'
import { sleep } from '../support/wait.mjs'
import { Cluster } from '../support/cluster.js'
import { allReady } from '../support/pages.js'

const STREAM = 'wazo-websocketd.v1'
/** Within which what somebody has done to the bindings is undone: every 5 s they are declared. */
const MENDED_MS_MAX = 6_000
const DELETED = 'somebody deleted exchanges'
const ODD = 'exists with another type'

describe('bindings that somebody removes while the ingest is attached', function () {
  this.timeout(90_000)
  let cluster: Cluster
  let operator: ChannelModel
  let channel: Channel
  let client: Client
  let count = 0

  before(async () => {
    cluster = await Cluster.start({ name: 'rabbitmq-bindings', edges: 1, workers: 1 })
    const { hostname, port, pathname } = new URL(cluster.amqpUrl)
    operator = await connect(`amqp://guest:guest@${hostname}:${port}${pathname}`)
    channel = await operator.createChannel()
  })

  beforeEach(async () => {
    await allReady(cluster, 20_000)
    client = cluster.connect(cluster.auth.mint().token)
    await client.start('bound')
  })

  afterEach(() => client.close())

  after(async () => {
    await operator.close()
    await cluster.stop()
  })

  it('are back within 6 s when the stream was unbound', async () => {
    for (const exchange of [HEADERS_EXCHANGE, LEGACY_EXCHANGE]) {
      await channel.unbindQueue(STREAM, exchange, '#')
      await publish(exchange)
      await client.silence(300) // it was unbound indeed
      await sleep(MENDED_MS_MAX)
      await arrives(exchange)
    }
    expect(lines('attaching again'), 'on the same consumer').to.equal(0)
  })

  it('are back within 6 s when an exchange was deleted and declared again', async () => {
    for (const [exchange, type] of [
      [HEADERS_EXCHANGE, 'headers'],
      [LEGACY_EXCHANGE, 'topic'],
    ] as const) {
      await channel.deleteExchange(exchange)
      await channel.assertExchange(exchange, type, { durable: true })
      await publish(exchange)
      await client.silence(300)
      await sleep(MENDED_MS_MAX)
      await arrives(exchange)
    }
  })

  it('are back within 6 s when an exchange was deleted, which the log says once', async () => {
    const before = lines(DELETED)
    await channel.deleteExchange(HEADERS_EXCHANGE)
    await sleep(MENDED_MS_MAX)
    await channel.checkExchange(HEADERS_EXCHANGE)
    await arrives(HEADERS_EXCHANGE)
    await sleep(MENDED_MS_MAX)
    expect(lines(DELETED)).to.equal(before + 1)
    expect(lines(`"exchanges":["${HEADERS_EXCHANGE}"]`)).to.be.at.least(1)
    expect(lines('attaching again'), 'on the same consumer').to.equal(0)
  })

  it('cannot be when the exchange is of another type by now: the log says so, 1011, and service when it is right again', async () => {
    await channel.deleteExchange(HEADERS_EXCHANGE)
    await channel.assertExchange(HEADERS_EXCHANGE, 'fanout', { durable: true })
    const { code, reason } = await client.closed
    expect([code, reason]).to.deep.equal([1011, 'bus connection lost'])
    expect(lines(ODD), 'once').to.equal(1)
    await channel.deleteExchange(HEADERS_EXCHANGE)
    await allReady(cluster, 20_000)
    client = cluster.connect(cluster.auth.mint().token)
    await client.start('bound')
    await arrives(HEADERS_EXCHANGE)
  })

  /** Over a connection of its own: a channel that has met a missing exchange is closed. */
  async function publish(exchange: string): Promise<number> {
    const publisher = await openPublisher(cluster.amqpUrl)
    const n = ++count
    await publisher.publish(
      customEvent({
        name: 'bound',
        requiredAcl: null,
        everyone: true,
        tenant: DEFAULT_TENANT,
        exchange,
        data: { n },
      }),
    )
    await publisher.close()
    return n
  }

  async function arrives(exchange: string): Promise<void> {
    const n = await publish(exchange)
    expect(await client.nextText()).to.contain(`"n":${n}`)
  }

  function lines(part: string): number {
    return cluster.logs().split(part).length - 1
  }
})
