import { expect } from 'chai'
import type { Client } from '../support/client.js'
import { Cluster } from '../support/cluster.js'
import { portOf } from '../support/pages.js'
import { customEvent } from '../support/publish.js'
import { sleep, waitFor } from '../support/wait.mjs'
import { workersOf } from './support/processes.js'
import { checkMetrics, startPrometheus, type Prometheus } from '../support/prometheus.js'

const TENANT = '6c1c9a4e-51a6-4f0c-9a5d-0c3a3f6ab003'
const WORKERS = 2
const SESSIONS = 6
const DELIVERED = 'sum(websocketd_events_delivered_total)'
const SCRAPE_MS_MAX = 2000

describe('A real Prometheus', function () {
  this.timeout(60_000)
  let cluster: Cluster
  let ports: { edge: number; ingest: number }
  let prometheus: Prometheus
  let clients: Client[]
  let expected = 0

  const scrape = async (port: number): Promise<string> =>
    (await fetch(`http://127.0.0.1:${port}/metrics`, { signal: AbortSignal.timeout(SCRAPE_MS_MAX) })).text()

  async function publish(events: number): Promise<void> {
    const event = { name: 'counted', tenant: TENANT, everyone: true, requiredAcl: 'events.counted' }
    await cluster.publisher.publish(
      ...Array.from({ length: events }, (_, number) => customEvent({ ...event, data: { number } })),
    )
  }

  const open = () => cluster.connect(cluster.auth.mint({ tenant: TENANT }).token).start('counted')

  before(async () => {
    cluster = await Cluster.start({ name: 'prometheus', edges: 1, workers: WORKERS })
    ports = { edge: cluster.edges[0]!.adminPort, ingest: portOf(cluster.ingests[0]!) }
    prometheus = await startPrometheus(ports)
    clients = await Promise.all(Array.from({ length: SESSIONS }, open))
  })

  after(async () => {
    await Promise.all(clients.map((client) => client.close()))
    await prometheus.stop()
    await cluster.stop()
  })

  it('finds both programs up', async () => {
    const healthy = async (): Promise<boolean> => {
      const targets = await prometheus.targets()
      return targets.length === 2 && targets.every(({ health }) => health === 'up')
    }
    await waitFor(healthy, { timeoutMs: 15_000, what: 'both targets to be up' })
    expect((await prometheus.targets()).map(({ scrapePool }) => scrapePool)).to.have.members([
      'wazo-websocketd-edge',
      'wazo-websocketd-ingest',
    ])
  })

  for (const program of ['edge', 'ingest'] as const)
    it(`has nothing to object to in the metrics of the ${program} (promtool)`, async () => {
      const text = await scrape(ports[program])
      expect(text).to.contain('websocketd_build_info')
      expect(await checkMetrics(text)).to.equal('')
    })

  it('would object to a metric without help (the check can fail)', async () => {
    expect(await checkMetrics('websocketd_bad 1\n')).to.match(/no help text/)
  })

  it('counts delivered events exactly', async () => {
    const events = 50
    await publish(events)
    expected = events * SESSIONS
    for (const client of clients) for (let number = 0; number < events; number++) await client.next()
    await waitFor(async () => (await prometheus.value(DELIVERED)) === expected, {
      timeoutMs: 10_000,
      what: `${expected} delivered events in Prometheus`,
    })
    await sleep(1500)
    expect(await prometheus.value(DELIVERED)).to.equal(expected)
    expect(await prometheus.value('sum(websocketd_connections)')).to.equal(SESSIONS)
  })

  it('sees no counter drop when a worker is killed, and counts on with its successor', async () => {
    const [victim] = workersOf(cluster.edges[0]!.program.pid)
    process.kill(victim!, 'SIGKILL')
    const lost = (
      await Promise.all(clients.map((client) => Promise.race([client.closed.then(() => 1), sleep(2000, 0)])))
    ).reduce((sum, ended) => sum + ended, 0)
    expect(lost).to.be.greaterThan(0).and.lessThan(SESSIONS)
    const replaced = () => {
      const workers = workersOf(cluster.edges[0]!.program.pid)
      return workers.length === WORKERS && !workers.includes(victim!)
    }
    await waitFor(replaced, { what: 'the next worker' })
    await sleep(1500)
    expect(await cluster.metric('events_delivered_total')).to.equal(expected)
    await publish(10)
    expected += 10 * (SESSIONS - lost)
    await waitFor(async () => (await prometheus.value(DELIVERED)) === expected, {
      timeoutMs: 10_000,
      what: `${expected} delivered events in Prometheus`,
    })
    expect(await prometheus.value('sum(resets(websocketd_events_delivered_total[1m]))')).to.equal(0)
    expect(await prometheus.value('sum(resets(websocketd_connections_closed_total[1m]))')).to.equal(0)
    const closed = 'websocketd_connections_closed_total'
    expect(await prometheus.value(`${closed}{code="1006"}`)).to.equal(lost)
    const balance = `sum(websocketd_connections_opened_total) - sum(${closed}) - sum(websocketd_connections)`
    expect(await prometheus.value(balance), 'opened = closed + open').to.equal(0)
    expect(await prometheus.value('sum(websocketd_worker_restarts_total)')).to.equal(1)
  })

  it('still gets its answer when a worker hangs', async () => {
    const [frozen] = workersOf(cluster.edges[0]!.program.pid)
    process.kill(frozen!, 'SIGSTOP')
    try {
      await sleep(1000)
      const begin = performance.now()
      expect(await cluster.metric('events_delivered_total')).to.equal(expected)
      expect(performance.now() - begin).to.be.lessThan(500)
      await sleep(1500)
      expect(await prometheus.value('min(up)')).to.equal(1)
      expect(await prometheus.value('min(min_over_time(up[3s]))')).to.equal(1)
    } finally {
      process.kill(frozen!, 'SIGCONT')
    }
  })
})
