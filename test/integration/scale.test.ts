import { expect } from 'chai'
import { sleep, waitFor } from '../support/wait.mjs'
import { firstFault, numbered, startCounters, TENANT, type Counter } from './path.support/numbered.js'
import { metric, startPath, type Ingest, type Path } from './path.support/path.js'

const SESSIONS = 1_000
const NAMES = 20
const LISTENERS = 20
const STEP_MS = 10
const STEPS = 200
const EVENTS_PER_STEP = 3

describe('the cost of sessions to RabbitMQ, and two ingests', function () {
  this.timeout(120_000)
  let path: Path
  let counters: Counter[] = []
  let next = 0

  before(async () => {
    path = await startPath()
  })
  after(async () => {
    for (const counter of counters) counter.end()
    await path.stop()
  })

  const tokens = (count: number) =>
    Array.from({ length: count }, () => path.auth.mint({ tenant: TENANT }).token)

  /** Names of session `i`: some that all have, some of its own; the first sessions listen to what the tests publish. */
  const namesOf = (i: number) =>
    Array.from({ length: NAMES }, (_, k) =>
      k === 0 && i < LISTENERS ? 'numbered' : k % 2 ? `all-${k}` : `own-${i}-${k}`,
    )

  /** What RabbitMQ keeps in the virtual host. */
  async function broker(): Promise<Record<string, number>> {
    const { rabbit, vhost } = path
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
      for (let i = 0; i < EVENTS_PER_STEP; i++) path.publisher.send(numbered('numbered', next++))
      await sleep(STEP_MS)
    }
    await path.publisher.flush()
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
  async function roles(ingests: readonly Ingest[]): Promise<{ publishing: Ingest; following: Ingest }> {
    const publishes = ({ port }: Ingest) => metric(port, 'websocketd_ingest_publishing')
    return waitFor(
      async () => {
        const [a, b] = ingests as [Ingest, Ingest]
        const [one, two] = [await publishes(a), await publishes(b)]
        if (one === two) return null
        return one > two ? { publishing: a, following: b } : { publishing: b, following: a }
      },
      { timeoutMs: 10_000, everyMs: 100, what: 'one ingest to publish and one to follow' },
    )
  }

  it(`${SESSIONS} sessions with ${NAMES} names each cost RabbitMQ what one session costs`, async () => {
    counters = await startCounters(path.wsUrl, tokens(1), namesOf)
    const withOne = await broker()
    expect(withOne.queues).to.be.at.least(1)
    expect(withOne.bindings).to.be.at.least(2)
    expect(withOne.channels).to.be.at.least(2)

    counters.push(...(await startCounters(path.wsUrl, tokens(SESSIONS - 1), (i) => namesOf(i + 1))))
    expect(firstFault(counters)).to.equal(null)
    expect(await metric(path.edgePort, 'websocketd_connections')).to.be.at.least(1)
    const subscribed = () => metric(path.edgePort, 'websocketd_subscriptions')
    await waitFor(async () => (await subscribed()) === SESSIONS * NAMES, {
      timeoutMs: 10_000,
      everyMs: 200,
      what: 'the metric of subscriptions',
    })
    expect(await broker()).to.deep.equal(withOne)
  })

  it('nothing is missing or comes twice when either of two ingests is killed under load', async () => {
    const [second, first] = [await path.addIngest(), path.ingest]
    await load(() => {})
    await expectEverything()

    const before = await roles([first, second])
    await load(() => before.publishing.program.kill('SIGKILL'))
    await expectEverything()
    expect((await before.publishing.program.exit).signal).to.equal('SIGKILL')

    const third = await path.addIngest()
    const after = await roles([before.following, third])
    await load(() => after.following.program.kill('SIGKILL'))
    await expectEverything()
    expect((await after.following.program.exit).signal).to.equal('SIGKILL')
    expect(next).to.equal(3 * STEPS * EVENTS_PER_STEP)
  })
})
