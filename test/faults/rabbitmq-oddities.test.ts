import { expect } from 'chai'
import type { Program } from '../support/program.mjs'
import type { Publication } from '../support/publish.js'
import { sharedRabbit, type Rabbit } from '../support/rabbitmq.mjs'
import { field, RawPublisher, type Field } from '../support/raw-amqp.js'
import { sleep, waitFor } from '../support/wait.mjs'
import { Cluster } from '../support/cluster.js'
import { numbered, range, taken } from '../support/numbered.js'
import { allReady } from '../support/pages.js'
import { rounds } from './support/rounds.js'
import { FLAWLESS, Traffic } from './support/traffic.js'
import { Wire } from '../support/wire.js'

const STREAM = 'wazo-websocketd.v1'
const OFFSET = 'x-stream-offset'
const RESETS = rounds(3)
/** After which the policy removes a queue that nobody uses. */
const EXPIRES_MS = 1_000
/** At most so long a program says nothing while it waits. */
const SILENT_LOG_MS_MAX = 60_000
/** For how long the log is looked at; longer by hand. */
const WAITING_MS = Number(process.env['WAITING_MS'] ?? SILENT_LOG_MS_MAX + 5_000)

describe('a healthy RabbitMQ with odd policies, messages and rights', function () {
  this.timeout(120_000)
  let rabbit: Rabbit
  let cluster: Cluster
  let wire: Wire
  let vhost: string
  /** With an ingest that cannot attach. */
  let forlorn: Cluster
  let waiting: Program
  let waitingSince = 0

  before(async () => {
    rabbit = await sharedRabbit()
    wire = await Wire.to(rabbit.port)
    cluster = await Cluster.start({ name: 'rabbitmq-oddities', ingests: 0, edges: 0, workers: 1 })
    vhost = new URL(cluster.amqpUrl).pathname.slice(1)
    await Promise.all([cluster.startIngest({ bus: { port: wire.port } }), cluster.startEdge()])
    forlorn = await Cluster.start({ name: 'rabbitmq-waiting', ingests: 0, edges: 0 })
    await startWaiting()
  })

  beforeEach(() => allReady(cluster, 20_000))

  after(async () => {
    await Promise.all([cluster.stop(), forlorn.stop()])
    await wire.refuse()
  })

  it(`expires unused queues by policy, and the ingest's connection is reset ${RESETS} times: nobody notices`, async () => {
    await rabbit.evaluate(
      `ok = rabbit_policy:set(<<"${vhost}">>, <<"expire">>, <<".*">>, [{<<"expires">>, ${EXPIRES_MS}}], 0, <<"queues">>, <<"test">>).`,
    )
    const traffic = await Traffic.start(cluster, { perSecond: 100 })
    for (let round = 0; round < RESETS; round++) {
      await sleep(2 * EXPIRES_MS)
      await wire.reset()
      await traffic.caughtUp()
    }
    await sleep(EXPIRES_MS)
    await rabbit.evaluate(`ok = rabbit_policy:delete(<<"${vhost}">>, <<"expire">>, <<"test">>).`)
    expect(await traffic.stop()).to.deep.equal(FLAWLESS)
  })

  it('stores messages that bring an x-stream-offset of their own: what is around them arrives in order, nobody is closed', async () => {
    const client = await cluster.connect(cluster.auth.mint().token, { version: 2 }).start('numbered')
    const raw = await RawPublisher.open(cluster.amqpUrl)
    const near = await head()
    const forgeries: readonly (readonly Buffer[])[] = [
      [field.long(1_000_000_000)],
      [field.long(0), field.long(0)],
      [field.long(-1)],
      [field.string('first')],
      [field.nothing(), field.boolean(true), field.long(1)],
      // One more than it will get, or some more, wherever canaries have come in between.
      ...range(1, 40).map((ahead) => [field.long(near + ahead)]),
    ]
    const forged = new Set<number>()
    let n = 0
    for (const values of forgeries) {
      await raw.publish(...parts(numbered(n++)))
      for (const value of values) {
        forged.add(n)
        await raw.publish(...parts(numbered(n++), [OFFSET, value]))
      }
    }
    await raw.publish(...parts(numbered(n++)))
    raw.close()
    const got: (number | string)[] = []
    await waitFor(() => (got.push(...taken(client)), got.includes(n - 1)), {
      timeoutMs: 15_000,
      what: 'the last event',
    })
    // What is forged may be left out; where it is not, it has its place.
    expect(got.filter((each) => !forged.has(Number(each)))).to.deep.equal(
      range(0, n - 1).filter((each) => !forged.has(each)),
    )
    expect(got).to.deep.equal([...new Set(got)].sort((a, b) => Number(a) - Number(b)))
    expect((await client.close()).code).to.equal(1000)
    expect(client.waiting).to.equal(0)
  })

  it('has a stream that is empty, and takes no canary: the log says why, and again after a minute, that the ingest waits', async () => {
    await sleep(Math.max(0, waitingSince + WAITING_MS - Date.now()))
    const logs = waiting.logs()
    const moments = logs.slice(logs.indexOf('connected to RabbitMQ')).split('\n').flatMap(complaintAt)
    const gaps = [...moments, Date.now()].map((at, i) => at - (moments[i - 1] ?? waitingSince))
    expect(moments, logs.slice(-3000)).not.to.be.empty
    expect(Math.max(...gaps)).to.be.below(SILENT_LOG_MS_MAX + 1_000)
  })

  /** An ingest that was attached to a stream which is now another one; its user may no longer publish into it. */
  async function startWaiting(): Promise<void> {
    await forlorn.startIngest()
    await forlorn.ingests.splice(0)[0]!.stop()
    const place = new URL(forlorn.amqpUrl).pathname.slice(1)
    await rabbit.evaluate(
      `{ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"${place}">>, queue, <<"${STREAM}">>)), ` +
        `{ok, _} = rabbit_amqqueue:delete(Q, false, false, <<"test">>), ` +
        `ok = rabbit_auth_backend_internal:set_permissions(<<"guest">>, <<"${place}">>, <<".*">>, <<"^(?!amq.default$)">>, <<".*">>, <<"test">>).`,
    )
    waitingSince = Date.now()
    waiting = (await forlorn.launchIngest()).program
  }

  async function head(): Promise<number> {
    const redis = cluster.openRedis()
    const value = await redis.hget('wazo-ws:{0}:meta', 'head')
    redis.disconnect()
    return Number(value)
  }
})

function parts(
  { exchange, routingKey, headers, body }: Publication,
  ...more: readonly Field[]
): [string, string, Field[], Buffer] {
  const own = Object.entries(headers).map(([name, value]): Field => [name, valueOf(value)])
  return [exchange, routingKey, [...more, ...own, ...more], body]
}

function valueOf(value: unknown): Buffer {
  if (typeof value === 'boolean') return field.boolean(value)
  return typeof value === 'string' ? field.string(value) : field.nothing()
}

/** When a line of a log was written, if it is a warning or an error. */
function complaintAt(line: string): number[] {
  try {
    const { level, time } = JSON.parse(line) as { level: string; time: string }
    return ['warning', 'error'].includes(level) ? [Date.parse(time)] : []
  } catch {
    return []
  }
}
