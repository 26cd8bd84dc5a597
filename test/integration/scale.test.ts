import { expect } from 'chai'
import { Cluster } from '../support/cluster.js'
import { metric, portOf } from '../support/pages.js'
import type { Program } from '../support/program.mjs'
import { sharedRabbit } from '../support/rabbitmq.mjs'
import { sleep, waitFor } from '../support/wait.mjs'
import { firstFault, numbered, startCounters, TENANT, type Counter } from './support/counters.js'

const SESSIONS = 1_000
const NAMES = 20
const LISTENERS = 20
const STEP_MS = 10
const STEPS = 200
const EVENTS_PER_STEP = 3

describe('the cost of sessions to RabbitMQ, and two ingests', function () {
  this.timeout(120_000)
  let cluster: Cluster
  let counters: Counter[] = []
  let next = 0

  before(async () => {
    cluster = await Cluster.start({ name: 'scale', edges: 1 })
  })
  after(async () => {
    for (const counter of counters) counter.end()
    await cluster.stop()
  })

  const tokens = (count: number) =>
    Array.from({ length: count }, () => cluster.auth.mint({ tenant: TENANT }).token)

  /** Names of session `i`: some that all have, some of its own; the first sessions listen to what the tests publish. */
  const namesOf = (i: number) =>
    Array.from({ length: NAMES }, (_, k) =>
      k === 0 && i < LISTENERS ? 'numbered' : k % 2 ? `all-${k}` : `own-${i}-${k}`,
    )

  /** What RabbitMQ keeps in the virtual host. */
  async function broker(): Promise<Record<string, number>> {
    const rabbit = await sharedRabbit()
    const vhost = new URL(cluster.amqpUrl).pathname.slice(1)
    const count = async (...args: string[]) =>
      (await rabbit.ctl(...args)).split('\n').filter((line) => line !== '').length
    const channels = (await rabbit.ctl('list_channels', 'vhost', 'number')).split('\n')
    return {
      queues: await count('list_queues', '-p', vhost, 'name'),
      bindings: await count('list_bindings', '-p', vhost, 'source_name', 'destination_name', 'routing_key'),
      channels: channels.filter((line) => line.startsWith(`${vhost}\t`)).length,
    }
  }

  /** Publishes the next numbered events, at most 300 a second, and does `disturb` a third of the way. */
  async function load(disturb: () => void): Promise<void> {
    for (let step = 0; step < STEPS; step++) {
      if (step === Math.floor(STEPS / 3)) disturb()
      for (let i = 0; i < EVENTS_PER_STEP; i++) cluster.publisher.send(numbered('numbered', next++))
      await sleep(STEP_MS)
    }
    await cluster.publisher.flush()
  }

  async function expectEverything(): Promise<void> {
    const listeners = counters.slice(0, LISTENERS)
    const arrived = () => firstFault(counters) !== null || listeners.every(({ count }) => count >= next)
    await waitFor(arrived, { timeoutMs: 20_000, what: 'every event' }).catch(() => {})
    await sleep(300)
    expect(firstFault(counters)).to.equal(null)
    expect(listeners.map(({ count }) => count)).to.deep.equal(listeners.map(() => next))
  }

  /** The ingest whose batches go out, and the other one. */
  async function roles(ingests: readonly Program[]): Promise<{ publishing: Program; following: Program }> {
    const publishes = (ingest: Program) => metric(portOf(ingest), 'ingest_publishing')
    return waitFor(
      async () => {
        const [a, b] = ingests as [Program, Program]
        const [one, two] = [await publishes(a), await publishes(b)]
        if (one === two) return null
        return one > two ? { publishing: a, following: b } : { publishing: b, following: a }
      },
      { timeoutMs: 10_000, everyMs: 100, what: 'one ingest to publish and one to follow' },
    )
  }

  it(`${SESSIONS} sessions with ${NAMES} names each cost RabbitMQ what one session costs`, async () => {
    counters = await startCounters(cluster.edges[0]!.url, tokens(1), namesOf)
    const withOne = await broker()
    expect(withOne.queues).to.be.at.least(1)
    expect(withOne.bindings).to.be.at.least(2)
    expect(withOne.channels).to.be.at.least(2)

    counters.push(
      ...(await startCounters(cluster.edges[0]!.url, tokens(SESSIONS - 1), (i) => namesOf(i + 1))),
    )
    expect(firstFault(counters)).to.equal(null)
    expect(await cluster.metric('connections')).to.be.at.least(1)
    const subscribed = () => cluster.metric('subscriptions')
    await waitFor(async () => (await subscribed()) === SESSIONS * NAMES, {
      timeoutMs: 10_000,
      everyMs: 200,
      what: 'the metric of subscriptions',
    })
    expect(await broker()).to.deep.equal(withOne)
  })

  it('nothing is missing or comes twice when either of two ingests is killed under load', async () => {
    const [second, first] = [await cluster.startIngest(), cluster.ingests[0]!]
    await load(() => {})
    await expectEverything()

    const before = await roles([first, second])
    await load(() => before.publishing.kill('SIGKILL'))
    await expectEverything()
    expect((await before.publishing.exit).signal).to.equal('SIGKILL')

    const third = await cluster.startIngest()
    const after = await roles([before.following, third])
    await load(() => after.following.kill('SIGKILL'))
    await expectEverything()
    expect((await after.following.exit).signal).to.equal('SIGKILL')
    expect(next).to.equal(3 * STEPS * EVENTS_PER_STEP)
  })
})
