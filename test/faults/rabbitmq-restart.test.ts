import { expect } from 'chai'
import type { Client } from '../support/client.js'
import { customEvent, openPublisher, type Publisher } from '../support/publish.js'
import { startRabbit, type Rabbit } from '../support/rabbitmq.mjs'
import { sleep } from '../support/wait.mjs'
import { Cluster } from '../support/cluster.js'
import { report } from '../support/figures.js'
import { numbered } from '../support/numbered.js'
import { allReady } from '../support/pages.js'
import { FLAWLESS, Traffic } from './support/traffic.js'

const STREAM = 'wazo-websocketd.v1'
const LOSS_TOLD_MS_MAX = 5_000
/** Only the silence of a stream that should speak tells that it is another one: 3 s, and rabbitmqctl's own time. */
const DELETED_TOLD_MS_MAX = 10_000
const READY_MS_MAX = 40_000
/** What a broker confirms in its first moments it may not keep. */
const SETTLE_MS = 1_000
const ALARM_MS = 8_000
/** Together some segments of the stream, of 16 MiB each, and several times the limit. */
const FILLER_BYTES = 900_000
const FILLERS = 100
const SHORT_BYTES = 20_000_000

describe('a RabbitMQ that fails as a whole', function () {
  this.timeout(120_000)
  let rabbit: Rabbit
  let cluster: Cluster
  let publisher: Publisher
  let sessions: Client[]

  before(async () => {
    rabbit = await startRabbit()
    cluster = await Cluster.start({ name: 'rabbitmq-restart', rabbit, ingests: 2, workers: 1 })
    publisher = cluster.publisher
  })

  beforeEach(async () => {
    await allReady(cluster, READY_MS_MAX)
    const { token } = cluster.auth.mint()
    sessions = await Promise.all(
      [0, 1, 2, 3].map((i) => cluster.connect(token, { version: 1 + (i % 2) }).start('numbered')),
    )
  })

  after(async () => {
    await cluster.stop()
    await rabbit.stop()
  })

  for (const signal of ['SIGTERM', 'SIGKILL'] as const)
    it(`restarts (${signal}): 1011 within 5 s, and full service again by itself`, async () => {
      const begun = performance.now()
      await rabbit.kill(signal)
      await expectLost(begun)
      const epoch = epochs()
      rabbit = await rabbit.start()
      const started = performance.now()
      await allReady(cluster, READY_MS_MAX)
      console.log(
        `      ready ${Math.round(performance.now() - started)} ms after the broker took connections`,
      )
      expect(epochs()).to.equal(epoch + 1)
      await sleep(SETTLE_MS)
      publisher = await openPublisher(cluster.amqpUrl)
      await expectService()
    })

  it('has its stream deleted by an operator: 1011 once, then service', async () => {
    const epoch = epochs()
    const begun = performance.now()
    const { pathname } = new URL(cluster.amqpUrl)
    await rabbit.ctl('delete_queue', '-p', pathname.slice(1), STREAM)
    await expectLost(begun, DELETED_TOLD_MS_MAX)
    await allReady(cluster)
    await expectService()
    expect(epochs()).to.equal(epoch + 1)
  })

  it('has a memory alarm: sessions stay, service goes on for what is in the stream, the backlog drains', async () => {
    for (const session of sessions) await session.close()
    const traffic = await Traffic.start(cluster, { perSecond: 200, publisher })
    await sleep(500)
    await rabbit.ctl('set_vm_memory_high_watermark', '0')
    try {
      await sleep(ALARM_MS)
      expect(traffic.silentMs).to.be.above(ALARM_MS / 2)
      expect(traffic.endings).to.deep.equal([])
    } finally {
      await rabbit.ctl('set_vm_memory_high_watermark', 'absolute', '512MB')
    }
    const took = await traffic.caughtUp()
    console.log(`      caught up ${Math.round(took)} ms after the alarm`)
    expect(await traffic.stop()).to.deep.equal(FLAWLESS)
  })

  /** All sessions end with 1011, in time; those of that moment, once. */
  async function expectLost(begun: number, msMax = LOSS_TOLD_MS_MAX): Promise<void> {
    const ends = await Promise.all(
      sessions.map(async ({ closed }) => ({ ...(await closed), ms: performance.now() - begun })),
    )
    for (const { code, reason } of ends) expect([code, reason]).to.deep.equal([1011, 'bus connection lost'])
    const { max } = report(
      'ms until 1011',
      ends.map(({ ms }) => ms),
    )
    expect(max).to.be.at.most(msMax)
  }

  /** New sessions get what is published from now on, once and in order, and stay. */
  async function expectService(): Promise<void> {
    const traffic = await Traffic.start(cluster, { perSecond: 200, publisher })
    await sleep(3_000)
    expect(await traffic.stop()).to.deep.equal(FLAWLESS)
  }

  function epochs(): number {
    return new Set([...cluster.logs().matchAll(/"epoch":"([0-9a-f-]+)"/g)].map(([, epoch]) => epoch)).size
  }
})

describe('a stream whose retention is shorter than the absence of every ingest', function () {
  this.timeout(120_000)

  it('has gone past the head: 1011 once, then service', async () => {
    const rabbit = await startRabbit()
    const cluster = await Cluster.start({ name: 'retention', rabbit, ingests: 1, edges: 1, workers: 1 })
    try {
      const session = await cluster.connect(cluster.auth.mint().token).start('numbered')
      await cluster.publisher.publish(numbered(0))
      expect((await session.next())['op']).to.equal('event')
      cluster.ingests[0]!.kill('SIGKILL')
      await cluster.ingests[0]!.exit
      cluster.ingests.splice(0)
      await trim(rabbit, cluster)
      const ended = session.closed
      await cluster.startIngest()
      expect((await ended).code).to.equal(1011)
      expect(cluster.logs()).to.contain('"why":"trimmed"')
      await allReady(cluster) // the ingest is up a moment after its epoch has begun
      const traffic = await Traffic.start(cluster, { perSecond: 200 })
      await sleep(2_000)
      expect(await traffic.stop()).to.deep.equal(FLAWLESS)
    } finally {
      await cluster.stop()
      await rabbit.stop()
    }
  })

  /** Lets the broker drop what an ingest would go on from. */
  async function trim(rabbit: Rabbit, cluster: Cluster): Promise<void> {
    const vhost = new URL(cluster.amqpUrl).pathname.slice(1)
    const policy = JSON.stringify({ 'max-length-bytes': SHORT_BYTES })
    await rabbit.ctl('set_policy', '-p', vhost, '--apply-to', 'queues', 'short', `^${STREAM}$`, policy)
    const body = JSON.stringify({ name: 'filler', required_acl: null, data: 'x'.repeat(FILLER_BYTES) })
    const filler = customEvent({ name: 'filler', requiredAcl: null, body })
    for (let n = 0; n < FILLERS; n++) await cluster.publisher.publish(filler)
    await sleep(2_000) // retention runs by itself
  }
})
