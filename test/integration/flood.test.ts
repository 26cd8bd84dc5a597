import { expect } from 'chai'
import { Cluster } from '../support/cluster.js'
import { sleep, waitFor } from '../support/wait.mjs'
import { firstFault, numbered, startCounters, TENANT, type Counter } from './support/counters.js'

const EVENTS = 20_000
const SESSIONS = 50
const CHUNK = 500

describe('a flood of events', function () {
  this.timeout(120_000)
  let cluster: Cluster
  let counters: Counter[] = []

  before(async () => {
    cluster = await Cluster.start({ name: 'flood', edges: 1 })
  })
  after(async () => {
    for (const counter of counters) counter.end()
    await cluster.stop()
  })

  it(`of ${EVENTS}, published as fast as RabbitMQ takes them, reaches ${SESSIONS} sessions complete and in order`, async () => {
    const tokens = Array.from({ length: SESSIONS }, () => cluster.auth.mint({ tenant: TENANT }).token)
    counters = await startCounters(cluster.edges[0]!.url, tokens, (i) =>
      i % 5 === 0 ? ['*'] : ['flood', 'other'],
    )
    expect(firstFault(counters)).to.equal(null)

    for (let n = 0; n < EVENTS; n += CHUNK) {
      cluster.publisher.send(...Array.from({ length: CHUNK }, (_, i) => numbered('flood', n + i)))
      await sleep(0) // lets the connection write, and the sessions read
    }
    await cluster.publisher.flush()
    const arrived = () => firstFault(counters) !== null || counters.every(({ count }) => count >= EVENTS)
    await waitFor(arrived, { timeoutMs: 60_000, what: 'all events' }).catch(() => {})

    expect(firstFault(counters)).to.equal(null)
    expect(counters.map(({ count }) => count)).to.deep.equal(counters.map(() => EVENTS))
    await sleep(300)
    expect(
      counters.map(({ count }) => count),
      'nothing follows',
    ).to.deep.equal(counters.map(() => EVENTS))
    const delivered = () => cluster.metric('events_delivered_total')
    await waitFor(async () => (await delivered()) === EVENTS * SESSIONS, {
      timeoutMs: 10_000,
      everyMs: 200,
      what: 'the metric of deliveries',
    }).catch(() => {})
    expect(await delivered(), 'counted').to.equal(EVENTS * SESSIONS)
  })
})
