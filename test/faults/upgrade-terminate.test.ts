import { expect } from 'chai'
import { groupIsAlive } from '../support/processes.mjs'
import { sleep, waitFor } from '../support/wait.mjs'
import { Cluster, type EdgeHost } from '../support/cluster.js'
import { Crowd, type CrowdState } from '../support/crowd.js'

/** `SESSIONS=5000` for a whole measurement. */
const SESSIONS = Number(process.env['SESSIONS'] ?? 1_000)
const PER_TOKEN = 10
const CROWDS = 2
/** The default. */
const DRAIN_TIMEOUT_S = 30
/** After 1001: what the primary gives its workers to end, and a busy machine to see it. */
const LINGER_MS = 5_000
const METRIC_MS_MAX = 10_000
const NOTICED_MS_MAX = 10_000

describe(`SIGTERM to an edge with ${SESSIONS} sessions`, function () {
  this.timeout(180_000)

  let cluster: Cluster
  let edge: EdgeHost
  let crowds: Crowd[]

  before(async () => {
    cluster = await Cluster.start({ name: 'upgrade-terminate', edges: 0 })
  })
  after(() => cluster.stop())

  beforeEach(async () => {
    edge = await cluster.startEdge()
    const tokens = Array.from({ length: SESSIONS / PER_TOKEN }, () => cluster.auth.mint().token)
    const addresses = tokens.flatMap((token) =>
      Array.from({ length: PER_TOKEN }, () => `${edge.url}/?token=${token}&version=2`),
    )
    const share = Math.ceil(addresses.length / CROWDS)
    crowds = await Promise.all(
      Array.from({ length: CROWDS }, (_, i) => Crowd.join(addresses.slice(i * share, (i + 1) * share))),
    )
    await waitFor(async () => (await edge.metric('connections')) === SESSIONS, {
      timeoutMs: METRIC_MS_MAX,
      what: 'all sessions in the metrics',
    })
    await Promise.all(crowds.map((crowd) => crowd.stayAway()))
  })
  afterEach(() => {
    for (const crowd of crowds) crowd.stop()
  })

  /** Ends of sessions by close code, when all clients have noticed. */
  async function closes(): Promise<Record<string, number>> {
    let counted: Record<string, number> = {}
    const all = async () => {
      counted = await closesSoFar()
      return Object.values(counted).reduce((sum, count) => sum + count, 0) >= SESSIONS
    }
    await waitFor(all, { timeoutMs: NOTICED_MS_MAX, what: 'all clients to notice' }).catch(() => undefined)
    return counted
  }

  async function closesSoFar(): Promise<Record<string, number>> {
    const states: CrowdState[] = await Promise.all(crowds.map((crowd) => crowd.state()))
    const total: Record<string, number> = {}
    for (const { closes } of states)
      for (const [code, count] of Object.entries(closes)) total[code] = (total[code] ?? 0) + count
    return total
  }

  it('closes all of them with 1012 within the deadline, and ends with status 0 and no process left', async () => {
    const from = performance.now()
    edge.program.kill('SIGTERM')
    expect(await edge.program.exit).to.deep.equal({ code: 0, signal: null })
    const tookMs = Math.round(performance.now() - from)
    expect(groupIsAlive(edge.program.pid)).to.equal(false)
    expect(await closes()).to.deep.equal({ 1012: SESSIONS })
    expect(tookMs).to.be.below(DRAIN_TIMEOUT_S * 1_000)
    console.log(`      ended after ${tookMs} ms, of ${DRAIN_TIMEOUT_S} s`)
  })

  it('closes what is left with 1001 at once when a second one comes', async () => {
    edge.program.kill('SIGTERM')
    await sleep(1_000)
    const from = performance.now()
    edge.program.kill('SIGTERM')
    expect(await edge.program.exit).to.deep.equal({ code: 0, signal: null })
    const tookMs = Math.round(performance.now() - from)
    expect(groupIsAlive(edge.program.pid)).to.equal(false)
    const came = await closes()
    expect(came[1001]).to.be.above(SESSIONS / 2)
    expect((came[1001] ?? 0) + (came[1012] ?? 0)).to.equal(SESSIONS)
    expect(tookMs).to.be.below(LINGER_MS)
    console.log(`      ended ${tookMs} ms after the second; ${JSON.stringify(came)}`)
  })
})
