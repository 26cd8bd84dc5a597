import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import type { Client } from '../support/client.js'
import { Cluster } from '../support/cluster.js'
import { temporaryDirectory } from '../support/guard.mjs'
import { portOf } from '../support/pages.js'
import { customEvent } from '../support/publish.js'
import { declaredMetrics, processMetrics } from '../support/reference-page/metrics.js'
import { sleep, waitFor } from '../support/wait.mjs'
import { dashboard, expressions } from '../support/dashboard.js'
import { startPrometheus, type Prometheus } from '../support/prometheus.js'
import { runTool } from '../support/tools.js'

const TENANT = '6c1c9a4e-51a6-4f0c-9a5d-0c3a3f6ab004'
const SHORTENED = 15
const COLUMNS = 24
const RULES = new URL('../../deploy/prometheus/rules/', import.meta.url)
/** What has no data as long as nothing has gone wrong: alerts that fire, and upgrades under way. */
const EMPTY_IF_WELL = new Set(['Alerts', 'Upgrades'])

describe('the dashboard for Grafana', function () {
  this.timeout(90_000)

  it('has panels that do not overlap, and a legend for each line', () => {
    const taken = new Set<string>()
    for (const { title, type, gridPos, targets = [] } of dashboard.panels) {
      expect(gridPos.x + gridPos.w, title).to.be.at.most(COLUMNS)
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect(taken.has(`${x} ${y}`), title).to.equal(false)
          taken.add(`${x} ${y}`)
        }
      if (type !== 'row') expect(targets, title).to.have.length.above(0)
      if (type === 'timeseries')
        for (const { legendFormat } of targets) expect(legendFormat, title).not.to.equal('')
    }
  })

  it('names only metrics that there are, and all that the edge and the ingest declare', async () => {
    const own = [...(await declaredMetrics('edge')), ...(await declaredMetrics('ingest'))].map(
      ({ name }) => name,
    )
    const rules = await Promise.all(
      (await readdir(RULES)).map((file) => readFile(new URL(file, RULES), 'utf8')),
    )
    const recorded = [...rules.join('').matchAll(/record: (\S+)/g)].map(([, name]) => name!)
    const each = (await processMetrics()).map(({ name }) => name)
    const used = new Set(
      expressions('1m').flatMap(({ expr }) =>
        (expr.match(/\b(?:websocketd[_:]|process_)[a-z0-9_:]+\b/g) ?? []).map((name) =>
          name.replace(/_(bucket|sum|count)$/, ''),
        ),
      ),
    )
    expect([...own, ...recorded, ...each, 'websocketd_primary_build_info']).to.include.members([...used])
    // What alerts and panels are made of otherwise.
    const elsewhere = new Set(['websocketd_max_fds', 'websocketd_open_fds'])
    expect(own.filter((name) => !used.has(name) && !elsewhere.has(name))).to.deep.equal([])
  })

  it('has expressions that Prometheus understands (promtool)', async () => {
    const directory = await temporaryDirectory('dashboard')
    const file = join(directory, 'expressions.yml')
    const check = async (all: readonly string[]) => {
      const rules = all.map((expr, at) => ({ record: `expression:${at}`, expr }))
      await writeFile(file, JSON.stringify({ groups: [{ name: 'dashboard', rules }] })) // JSON is YAML
      return runTool('promtool', ['check', 'rules', file])
    }
    const all = expressions('1m').map(({ expr }) => expr)
    expect(all).to.have.length.above(60)
    expect(await check(all)).to.deep.include({ status: 0 })
    expect(await check([...all, 'sum(rate(up[5m])']), 'the check can fail').to.deep.include({ status: 1 })
  })

  describe('on a running cluster with a real Prometheus', () => {
    let cluster: Cluster
    let prometheus: Prometheus
    let clients: Client[]
    let arriving: NodeJS.Timeout

    before(async () => {
      cluster = await Cluster.start({ name: 'grafana', edges: 1, workers: 2 })
      prometheus = await startPrometheus({
        edge: cluster.edges[0]!.adminPort,
        ingest: portOf(cluster.ingests[0]!),
        shortened: SHORTENED,
      })
      const open = () => cluster.connect(cluster.auth.mint({ tenant: TENANT }).token).start('shown')
      clients = await Promise.all(Array.from({ length: 6 }, open))
      // Without requests to wazo-auth there is no share of them that fails.
      arriving = setInterval(() => {
        const client = cluster.connect(cluster.auth.mint({ tenant: TENANT }).token)
        client.opened.catch(() => undefined)
        clients.push(client)
      }, 500)
      const event = { name: 'shown', tenant: TENANT, everyone: true, requiredAcl: 'events.shown' }
      for (let number = 0; number < 20; number++) {
        await cluster.publisher.publish(customEvent({ ...event, data: { number } }))
        await sleep(100)
      }
    })
    after(async () => {
      clearInterval(arriving)
      await Promise.all(clients.map((client) => client.close()))
      await prometheus.stop()
      await cluster.stop()
    })

    it('gives data for every expression', async () => {
      const missing = async () => {
        const empty: string[] = []
        for (const { title, expr } of expressions('10s'))
          // A filter such as `> 0` hides what has not happened; what it filters has to be there.
          if ((await prometheus.series(expr.replaceAll(/ > 0\b/g, ''))) === 0 && !EMPTY_IF_WELL.has(title))
            empty.push(`${title}: ${expr}`)
        return empty
      }
      await waitFor(async () => (await missing()).length === 0, { timeoutMs: 20_000, everyMs: 1000 }).catch(
        () => undefined,
      )
      expect(await missing()).to.deep.equal([])
      expect(await prometheus.series('websocketd_of_another_name')).to.equal(0)
    })
  })
})
