/**
 * `npm run dashboard:picture` writes docs/dashboard.png: the shipped dashboard over a cluster that lives through some load,
 * clients that are turned away, an upgrade and a Redis that stands still. The expressions are evaluated by a real Prometheus;
 * Grafana, which Debian has not, is stood in for by a plain drawing. All times are 15 times shorter than on a host.
 */
import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'
import { dashboard, filledIn, type Panel } from '../support/dashboard.js'
import { Cluster } from '../support/cluster.js'
import { portOf } from '../support/pages.js'
import { startPrometheus, type Prometheus } from '../support/prometheus.js'
import { customEvent } from '../support/publish.js'
import { sleep, waitFor } from '../support/wait.mjs'
import { drawPage, WIDTH_PX } from './page.js'
import { nameOf, type Line, type Span } from './panels.js'

const PICTURE = fileURLToPath(new URL('../../docs/dashboard.png', import.meta.url))
const CHROMIUM = '/usr/bin/chromium'
const TENANT = '6c1c9a4e-51a6-4f0c-9a5d-0c3a3f6ab004'
const SHORTENED = 15
const RATE_INTERVAL = '10s'
const SESSIONS = 60
const PART_MS = 30_000
const EVENT_EVERY_MS = 40
const UPGRADE_MS_MAX = 120_000
const STILL_MS = 4_000

/** Half a dozen clients come and go, one in three without a right, and events of two names are published. */
function live(cluster: Cluster): () => void {
  let n = 0
  const timer = setInterval(() => {
    const name = n % 2 === 0 ? 'shown' : 'hidden'
    const requiredAcl = n % 2 === 0 ? null : 'events.hidden'
    const event = { name, tenant: TENANT, everyone: true, requiredAcl, data: { n } }
    cluster.publisher.publish(customEvent(event)).catch(() => undefined)
    if (n++ % 10 === 0) {
      const token = n % 3 === 0 ? 'nobody' : cluster.auth.mint({ tenant: TENANT }).token
      const client = cluster.connect(token)
      client.opened.then(() => client.start('shown')).catch(() => undefined)
      setTimeout(() => client.socket.close(), 5_000)
    }
  }, EVENT_EVERY_MS)
  return () => clearInterval(timer)
}

async function happen(cluster: Cluster): Promise<void> {
  const edge = cluster.edges[0]!
  await sleep(PART_MS)
  edge.program.kill('SIGHUP')
  const upgraded = async () => (await edge.metric('upgrades_total', { result: 'success' })) > 0
  await waitFor(upgraded, { timeoutMs: UPGRADE_MS_MAX, what: 'the upgrade' })
  await sleep(PART_MS)
  cluster.redis.pause()
  await sleep(STILL_MS)
  cluster.redis.resume()
  await sleep(PART_MS)
}

async function linesOf({ targets = [] }: Panel, prometheus: Prometheus, { from, to }: Span): Promise<Line[]> {
  const lines: Line[] = []
  for (const { expr, legendFormat } of targets)
    for (const { labels, points } of await prometheus.range(filledIn(expr, RATE_INTERVAL), from, to, 1))
      lines.push({ name: nameOf(legendFormat, labels), points })
  return lines
}

async function paint(html: string): Promise<void> {
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] })
  const page = await browser.newPage({ viewport: { width: WIDTH_PX, height: 800 } })
  await page.setContent(html)
  await writeFile(PICTURE, await page.screenshot({ fullPage: true }))
  await browser.close()
}

const cluster = await Cluster.start({ name: 'picture', edges: 1, workers: 2 })
const prometheus = await startPrometheus({
  edge: cluster.edges[0]!.adminPort,
  ingest: portOf(cluster.ingests[0]!),
  shortened: SHORTENED,
})
const from = Math.round(Date.now() / 1000)
const mint = () => cluster.auth.mint({ tenant: TENANT, acl: ['websocketd', 'events.shown'] }).token
await Promise.all(
  Array.from({ length: SESSIONS }, (_, i) =>
    cluster.connect(mint(), { version: 1 + (i % 2), timeoutMs: 30_000 }).start('*'),
  ),
)
const end = live(cluster)
await happen(cluster)
const span = { from, to: Math.round(Date.now() / 1000) }
const lines = new Map<Panel, Line[]>()
for (const panel of dashboard.panels) lines.set(panel, await linesOf(panel, prometheus, span))
end()
await paint(drawPage(lines, span))
await prometheus.stop()
await cluster.stop()
const empty = dashboard.panels.filter((panel) => panel.type !== 'row' && lines.get(panel)!.length === 0)
console.log(
  `${PICTURE}; ${dashboard.panels.length} panels, without data: ${empty.map(({ title }) => title).join(', ') || 'none'}`,
)
process.exit(0)
