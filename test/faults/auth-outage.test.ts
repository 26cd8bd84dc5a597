import { expect } from 'chai'
import { WebSocket } from 'ws'
import type { Client, Closed } from '../support/client.js'
import type { Publisher } from '../support/publish.js'
import { sleep, waitFor } from '../support/wait.mjs'
import { Cluster, type EdgeHost, type Token } from '../support/cluster.js'
import { report, since } from '../support/figures.js'
import { numbered, range, taken } from '../support/numbered.js'
import { Wire } from '../support/wire.js'

const TRY_AGAIN = { code: 1013, reason: 'try again later' }
const EXPIRED = { code: 4003, reason: 'authentication expired' }
const RECHECK_S = 2
/** `limits.auth_total_seconds` of the host with the defaults, and of the other one. */
const PATIENT_MS = 8_000
const HASTY_MS = 2_000
/** On either, where nobody answers at the address of wazo-auth. */
const ABSENT_MS = 2_000
/** A close after a deadline is seen within so long. */
const SLACK_MS = 1_000
const EVENT_EVERY_MS = 200
/** What befalls wazo-auth, and how it ends; by default the stand-in is told to be well again. */
type Outage = readonly [what: string, begin: () => unknown, end?: () => unknown]
const FAILURES = ['network', 'timeout', 'server-error', 'garbage']

describe('wazo-auth out of order, on a cluster of two hosts that re-check every 2 s', function () {
  this.timeout(120_000)
  let cluster: Cluster
  let way: Wire
  let patient: EdgeHost
  let hasty: EdgeHost
  let publishing: Publishing | undefined
  /** How every session of all tests ended. */
  const endings: Closed[] = []
  let expected4003 = 0
  /** How late those ended whose token expired in an outage. */
  const lateness: number[] = []

  before(async () => {
    const config = { auth_check_strategy: 'static', auth_check_static_interval: RECHECK_S }
    cluster = await Cluster.start({ name: 'auth-outage', edges: 0, config })
    way = await Wire.to(cluster.auth.port)
    const auth = { port: way.port }
    const limits = { auth_try_seconds: 1, auth_total_seconds: HASTY_MS / 1_000 }
    ;[patient, hasty] = await Promise.all([cluster.startEdge({ auth }), cluster.startEdge({ auth, limits })])
  })

  afterEach(async () => {
    publishing?.halt()
    cluster.auth.reset()
    await way.heal()
  })

  after(async () => {
    await cluster.stop()
    await way.refuse()
  })

  function connect(token: string, edge: EdgeHost): Client {
    const client = cluster.connect(token, {}, edge)
    void client.closed.then((closed) => endings.push(closed))
    return client
  }

  /** A session of the token on each host. */
  function openOnBoth({ token }: Token): Promise<Client[]> {
    return Promise.all(cluster.edges.map((edge) => connect(token, edge).start('*')))
  }

  /** Requests to wazo-auth of this host that failed. */
  async function failures(edge: EdgeHost): Promise<number> {
    const each = await Promise.all(FAILURES.map((result) => edge.metric('auth_requests_total', { result })))
    return each.reduce((sum, count) => sum + count)
  }

  const OUTAGES: readonly Outage[] = [
    ['is not listening', () => way.refuse(), () => way.heal()],
    ['breaks every connection', () => cluster.auth.set({ mode: 'down' })],
    ['needs 30 s for an answer', () => cluster.auth.set({ mode: 'slow' })],
    ['answers 500', () => cluster.auth.set({ mode: '500' })],
    ['answers with invalid JSON', () => cluster.auth.set({ mode: 'garbage' })],
    ['answers without metadata', () => cluster.auth.set({ mode: 'no-metadata' })],
  ]
  for (const [what, begin, end = () => cluster.auth.set({ mode: 'ok' })] of OUTAGES) {
    /** What a client of the patient host waits for at most; null: until wazo-auth is back. */
    const givenUpMs =
      what === 'needs 30 s for an answer' ? PATIENT_MS : what === 'is not listening' ? ABSENT_MS : null

    it(`turns new clients away with 1013, keeps the others, and goes on by itself: wazo-auth ${what}`, async () => {
      const lasting = cluster.auth.mint()
      const staying = await openOnBoth(lasting)
      const deleted = cluster.auth.mint()
      const doomed = await openOnBoth(deleted)
      const brief = cluster.auth.mint({ expiresInMs: 4_500 })
      const expiring = (await openOnBoth(brief)).map((client) =>
        client.closed.then((closed) => ({ closed, late: since(brief.utc_expires_at) })),
      )
      expected4003 += 4
      const failedBefore = await Promise.all(cluster.edges.map(failures))

      await begin()
      const began = performance.now()
      publishing = new Publishing(cluster.publisher)
      for (const [i, edge] of cluster.edges.entries()) {
        const failed = async () => (await failures(edge)) > failedBefore[i]!
        await waitFor(failed, { timeoutMs: 10_000, everyMs: 100, what: 're-checks to come due and fail' })
      }

      const { token } = cluster.auth.mint()
      const asked = performance.now()
      const turnedAway = await connect(token, hasty).closed
      expect(turnedAway).to.deep.equal(TRY_AGAIN)
      expect(performance.now() - asked).to.be.below(HASTY_MS + SLACK_MS)
      const waiting = connect(token, patient)
      if (givenUpMs !== null) {
        const from = performance.now()
        expect(await waiting.closed).to.deep.equal(TRY_AGAIN)
        expect(performance.now() - from).to.be.below(givenUpMs + SLACK_MS)
      }
      for (const { closed, late } of await Promise.all(expiring)) {
        expect(closed).to.deep.equal(EXPIRED)
        lateness.push(late)
        expect(late).to.be.within(0, 2_000)
      }
      await sleep(500)
      const outage = Math.round(performance.now() - began)
      for (const client of [...staying, ...doomed]) expect(client.socket.readyState).to.equal(WebSocket.OPEN)
      const publishedSoFar = publishing.count

      // Nobody tells: only a re-check can find it.
      await cluster.deleteToken(deleted, { event: false })
      await end()
      const returned = performance.now()
      const ends = doomed.map((client) =>
        client.closed.then((closed) => ({ closed, after: performance.now() - returned })),
      )
      if (givenUpMs === null) {
        expect((await waiting.next())['op']).to.equal('init')
        await waiting.close()
      }
      // Another token: for a second after its look-up a worker would answer as before about this one (C6.8).
      const { token: another } = cluster.auth.mint()
      await Promise.all(cluster.edges.map((edge) => connect(another, edge).start('*')))
      const served = performance.now() - returned
      expect(served).to.be.below(3_000)

      const checks = () => cluster.auth.requests().byToken[lasting.token] ?? 0
      const ended = await Promise.all(ends)
      for (const { closed } of ended) expect(closed).to.deep.equal(EXPIRED)
      const found = report(
        `after an outage of ${outage} ms, the deleted token was found after ms`,
        ended.map(({ after }) => after),
      )
      // Grown in the outage, the pauses between tries are as long again at most.
      expect(found.max).to.be.below(outage + PATIENT_MS)
      const checked = checks()
      await waitFor(() => checks() >= checked + 4, { timeoutMs: 15_000, what: 're-checks to go on' })

      const published = await publishing.stop()
      for (const client of staying) {
        await waitFor(() => client.waiting >= published, { what: 'every event' })
        expect(taken(client)).to.deep.equal(range(1, published))
        await client.close()
      }
      for (const client of doomed) {
        const got = taken(client)
        expect(got).to.deep.equal(range(1, got.length))
        expect(got.length).to.be.at.least(publishedSoFar - 1)
      }
    })
  }

  it('never called a token invalid, and ended no session before its time', async () => {
    const closed = (code: number) => cluster.metric('connections_closed_total', { code: String(code) })
    await waitFor(async () => (await closed(4003)) >= expected4003, { what: 'all to be counted' })
    expect(await closed(4002)).to.equal(0)
    expect(await closed(4003)).to.equal(expected4003)
    expect(endings.filter(({ code }) => code === 4002)).to.deep.equal([])
    expect(endings.filter(({ code }) => code === 4003)).to.have.length(expected4003)
    for (const { code } of endings) expect(code).to.be.oneOf([1000, 1005, 1013, 4003])
    // A check that still waits for its answer when the token expires leaves the end to the backstop.
    const slow = 2
    expect(await cluster.metric('sessions_expired_total', { source: 'backstop' })).to.be.at.most(slow)
    expect(report('closed after an expiry in an outage, ms', lateness).n).to.equal(expected4003 / 2)
  })
})

/** Publishes the events 1, 2, ... at a steady pace. */
class Publishing {
  count = 0
  private readonly publisher: Publisher
  private readonly timer: NodeJS.Timeout

  constructor(publisher: Publisher) {
    this.publisher = publisher
    this.timer = setInterval(() => publisher.send(numbered(++this.count)), EVENT_EVERY_MS)
  }

  halt(): void {
    clearInterval(this.timer)
  }

  /** Gives the number of the last one, when the broker has it. */
  async stop(): Promise<number> {
    this.halt()
    await this.publisher.flush()
    return this.count
  }
}
