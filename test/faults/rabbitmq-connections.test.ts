import { connect } from 'amqplib'
import { expect } from 'chai'
import { sharedRabbit } from '../support/rabbitmq.mjs'
import { sleep, waitFor } from '../support/wait.mjs'
import { Cluster } from '../support/cluster.js'
import { report } from '../support/figures.js'
import { allReady, pages } from '../support/pages.js'
import { rounds } from './support/rounds.js'
import { FLAWLESS, Traffic } from './support/traffic.js'
import { Wire } from '../support/wire.js'

const RESETS = rounds(10)
const ROUND_MS_MAX = 10_000
const RECONNECTED = /amqp_reconnects_total (\d+)/
const STREAM = 'wazo-websocketd.v1'

describe('the connection of the only ingest to a RabbitMQ that lives', function () {
  this.timeout(60_000)
  let cluster: Cluster
  let wire: Wire
  let traffic: Traffic

  before(async () => {
    wire = await Wire.to((await sharedRabbit()).port)
    cluster = await Cluster.start({ name: 'rabbitmq-connections', ingests: 0, edges: 0, workers: 1 })
    await cluster.startIngest({ bus: { port: wire.port } })
    await Promise.all([cluster.startEdge(), cluster.startEdge()])
  })

  beforeEach(async () => {
    await allReady(cluster)
    traffic = await Traffic.start(cluster, { perSecond: 200 })
  })

  afterEach(() => traffic.abandon())

  after(() => cluster.stop())

  it(`is reset ${RESETS} times: nobody notices`, async function () {
    this.timeout(RESETS * ROUND_MS_MAX)
    const gaps: number[] = []
    const before = await reconnects()
    for (let round = 0; round < RESETS; round++) {
      await sleep(300 + Math.random() * 700)
      await wire.reset()
      await sleep(50)
      gaps.push(50 + (await traffic.caughtUp()))
    }
    report('ms from a reset until all sessions had all', gaps)
    expect(await traffic.stop()).to.deep.equal(FLAWLESS)
    expect((await reconnects()) - before).to.be.at.least(RESETS)
  })

  it('stays, and the broker closes the channel that consumes: it is set up again, and nobody notices', async () => {
    const before = [await reconnects(), attachments()] as const
    await sleep(500)
    await closeConsumers()
    await waitFor(() => attachments() > before[1], { what: 'to attach again' })
    const took = await traffic.caughtUp()
    console.log(`      caught up within ${Math.round(took)} ms`)
    expect(await traffic.stop()).to.deep.equal(FLAWLESS)
    // On the same connection, unless messages for the old consumer still come on the new channel of the same number:
    // amqplib gives up the connection then.
    expect(await reconnects(), cluster.logs().slice(-4000)).to.be.within(before[0], before[0] + 1)
    expect(cluster.logs()).to.match(/"why":"(ended|unmarked)"/)
  })

  it('stays, and the broker will not set the ingest up again: 1011 instead of silence, then service when it does', async () => {
    const vhost = decodeURIComponent(new URL(cluster.amqpUrl).pathname.slice(1))
    const rabbit = await sharedRabbit()
    await rabbit.ctl('set_permissions', '-p', vhost, 'guest', '.*', '.*', '^$')
    try {
      await closeConsumers()
      await waitFor(() => traffic.endings.length === traffic.sessions, { timeoutMs: 30_000, what: '1011' })
      for (const { code } of traffic.endings) expect(code).to.equal(1011)
      await traffic.abandon()
    } finally {
      await rabbit.ctl('set_permissions', '-p', vhost, 'guest', '.*', '.*', '.*')
    }
    await allReady(cluster)
    await sleep(4_000) // ready is who lags by less than 3 s: the numbers of before are over by then
    traffic = await Traffic.start(cluster, { perSecond: 200 })
    await sleep(2_000)
    expect(await traffic.stop()).to.deep.equal(FLAWLESS)
  })

  it('stays, and the broker cancels the consumer, because its queue is deleted: 1011 once, then service', async () => {
    const { hostname, port, pathname } = new URL(cluster.amqpUrl)
    const operator = await connect(`amqp://guest:guest@${hostname}:${port}${pathname}`)
    const channel = await operator.createChannel()
    await sleep(500)
    await channel.deleteQueue(STREAM)
    await waitFor(() => traffic.endings.length === traffic.sessions, { timeoutMs: 10_000, what: '1011' })
    await operator.close()
    for (const { code, reason } of traffic.endings)
      expect([code, reason]).to.deep.equal([1011, 'bus connection lost'])
    await traffic.abandon()
    await allReady(cluster)
    traffic = await Traffic.start(cluster, { perSecond: 200 })
    await sleep(2_000)
    expect(await traffic.stop()).to.deep.equal(FLAWLESS)
  })

  async function reconnects(): Promise<number> {
    return Number(RECONNECTED.exec(await pages(cluster, '/metrics'))?.[1])
  }

  function attachments(): number {
    return cluster.logs().split('attached to the stream').length
  }

  /** As if the client had asked for a queue that does not exist: an error of the channel, which the broker closes alone. */
  async function closeConsumers(): Promise<void> {
    const vhost = decodeURIComponent(new URL(cluster.amqpUrl).pathname.slice(1))
    const closed = await (
      await sharedRabbit()
    ).evaluate(
      `Channels = [proplists:get_value(pid, C) || C <- rabbit_channel:info_all([pid, vhost, consumer_count]), ` +
        `proplists:get_value(vhost, C) =:= <<"${vhost}">>, proplists:get_value(consumer_count, C) > 0], ` +
        `Ask = {'queue.declare', 0, <<"none">>, true, false, false, false, false, []}, ` +
        `[rabbit_channel:do(Pid, Ask) || Pid <- Channels], length(Channels).`,
    )
    expect(closed, 'that of the stream and that of the marker').to.equal('2')
  }
})
