import { expect } from 'chai'
import { sleep, waitFor } from '../support/wait.mjs'
import { hashOf } from './support/canaries.js'
import { Cluster } from '../support/cluster.js'
import { Crowd, type CrowdState } from '../support/crowd.js'
import { jobKeys, jobsToBe, waitingJobs } from './support/jobs.js'
import { numbered } from '../support/numbered.js'

/** `TOKENS=500` for a whole measurement: 5,000 sessions. */
const TOKENS = Number(process.env['TOKENS'] ?? 250)
const PER_TOKEN_AND_HOST = 5
const HOSTS = 2
const SESSIONS = TOKENS * PER_TOKEN_AND_HOST * HOSTS
/** Sessions of so many tokens come one after another in turn, so that also on a slow machine those of one token come within the life of an answer. */
const TOKENS_AT_ONCE = 100
const EVENTS = 20
/** After it no worker remembers an answer of wazo-auth. */
const FORGOTTEN_MS = 10_500
const STORM_MS_MAX = 30_000

describe('a storm of connects, on two hosts of one worker each', function () {
  this.timeout(120_000)
  let cluster: Cluster
  let tokens: string[]
  const crowds: Crowd[] = []

  before(async () => {
    cluster = await Cluster.start({ name: 'connect-storm', edges: HOSTS, workers: 1 })
    tokens = Array.from({ length: TOKENS }, () => cluster.auth.mint().token)
    const joining = cluster.edges.map(({ url }) =>
      Crowd.join(inTurn(tokens).map((token) => `${url}/?token=${token}&version=2`)),
    )
    crowds.push(...(await Promise.all(joining)))
  })

  after(async () => {
    for (const crowd of crowds) crowd.stop()
    await cluster.stop()
  })

  /** What all clients together have counted. */
  async function state(): Promise<CrowdState> {
    const states = await Promise.all(crowds.map((crowd) => crowd.state()))
    return {
      started: sum(states.map(({ started }) => started)),
      received: sum(states.map(({ received }) => received)),
      closes: merged(states.map(({ closes }) => closes)),
      errors: merged(states.map(({ errors }) => errors)),
    }
  }

  it(`${SESSIONS} sessions of ${TOKENS} tokens come back at once, with one look-up per token and worker and one job per token`, async () => {
    const redis = cluster.openRedis()
    const ids = tokens.map((token) => `t${hashOf(token)}`).sort()
    await jobsToBe(redis, TOKENS)
    await sleep(FORGOTTEN_MS)
    await Promise.all(crowds.map((crowd) => crowd.clear()))
    cluster.auth.reset()

    const from = performance.now()
    await Promise.all(crowds.map((crowd) => crowd.storm()))
    // Each client has lost its connection once, and has another one.
    const back = async () => {
      const { started, closes } = await state()
      return started === SESSIONS && sum(Object.values(closes)) >= SESSIONS
    }
    await waitFor(back, { timeoutMs: STORM_MS_MAX, everyMs: 100, what: 'all sessions' }).catch(
      () => undefined,
    )
    const took = Math.round(performance.now() - from)
    const { lookups } = cluster.auth.requests()
    const { started, closes, errors } = await state()
    console.log(`      back after ${took} ms; ${JSON.stringify({ lookups, closes, errors })}`)

    expect(started).to.equal(SESSIONS)
    expect({ closes, errors }, 'nobody is sent away').to.deep.equal({
      closes: { 1006: SESSIONS },
      errors: {},
    })
    expect(lookups).to.be.within(1, TOKENS * HOSTS)
    expect(await waitingJobs(redis)).to.deep.equal(ids)
    expect(await jobKeys(redis)).to.deep.equal(ids)
    await metricToBe('connections', SESSIONS)
    await metricToBe('tokens_tracked', TOKENS * HOSTS)
    redis.disconnect()
  })

  it('each of them then gets each event once, in order', async () => {
    await Promise.all(crowds.map((crowd) => crowd.clear()))
    for (let n = 0; n < EVENTS; n++) {
      await cluster.publisher.publish(numbered(n))
      await sleep(25)
    }
    const complete = async () => (await state()).received >= EVENTS * SESSIONS
    await waitFor(complete, { timeoutMs: 30_000, everyMs: 200, what: 'all events' }).catch(() => undefined)
    await sleep(500) // what should not follow
    const events = await Promise.all(crowds.map((crowd) => crowd.events(EVENTS)))
    const once = Array.from({ length: EVENTS }, (_, n) => sum(events.map((each) => each.once[n] ?? 0)))
    expect(once).to.deep.equal(once.map(() => SESSIONS))
    expect(events.map(({ others }) => others)).to.deep.equal(crowds.map(() => 0))
    expect(await state()).to.deep.equal({
      started: SESSIONS,
      received: EVENTS * SESSIONS,
      closes: {},
      errors: {},
    })
  })

  /** Workers tell their primary of their metrics every now and then. */
  async function metricToBe(name: string, value: number): Promise<void> {
    let found = NaN
    const is = async () => (found = await cluster.metric(name)) === value
    await waitFor(is, { timeoutMs: 10_000, everyMs: 100, what: name }).catch(() => undefined)
    expect(found, name).to.equal(value)
  }
})

/** Each token as often as it has sessions on one host. */
function inTurn(tokens: readonly string[]): string[] {
  const order: string[] = []
  for (let from = 0; from < tokens.length; from += TOKENS_AT_ONCE)
    for (let i = 0; i < PER_TOKEN_AND_HOST; i++) order.push(...tokens.slice(from, from + TOKENS_AT_ONCE))
  return order
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

function merged(all: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const total: Record<string, number> = {}
  for (const counts of all)
    for (const [key, count] of Object.entries(counts)) total[key] = (total[key] ?? 0) + count
  return total
}
