import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { expect } from 'chai'
import { Cluster } from '../support/cluster.js'
import { configFileOf, runCtl } from '../support/ctl.js'
import { temporaryDirectory } from '../support/guard.mjs'
import { sleep } from '../support/wait.mjs'
import { startCounters, TENANT, type Counter } from './support/counters.js'

/** `SESSIONS=10000` by hand; the bounds are the same. */
const SESSIONS = Number(process.env['SESSIONS'] ?? 2_000)
const NAMES = 20
/** Noise comes and goes: the best of so many runs shows what the program itself takes. */
const RUNS = 5
const ANSWER_MS_MAX = 1_000
const SCRAPE_MS_MAX = 100
const STALL_MS_MAX = 20
const MONITOR = pathToFileURL(fileURLToPath(new URL('../support/loop-stalls.mjs', import.meta.url))).href

describe(`status, sessions and metrics of ${SESSIONS} sessions`, function () {
  this.timeout(180_000)
  let cluster: Cluster
  let stalls: string
  let counters: Counter[] = []

  before(async () => {
    stalls = await temporaryDirectory('stalls')
    cluster = await Cluster.start({
      ...{ name: 'ctl-scale', edges: 1, workers: 2 },
      config: { limits: { connections_per_token: 20_000 } },
      env: { NODE_OPTIONS: `--import=${MONITOR}`, LOOP_STALLS: stalls },
    })
    const tokens = Array.from({ length: 200 }, () => cluster.auth.mint({ tenant: TENANT }).token)
    const each = Array.from({ length: SESSIONS }, (_, i) => tokens[i % tokens.length]!)
    const names = (i: number) =>
      Array.from({ length: NAMES }, (_, k) => (k % 2 ? `all-${k}` : `own-${i}-${k}`))
    for (let from = 0; from < SESSIONS; from += 500)
      counters.push(
        ...(await startCounters(cluster.edges[0]!.url, each.slice(from, from + 500), (i) => names(from + i))),
      )
    await sleep(2_000)
  })
  after(async () => {
    for (const counter of counters) counter.end()
    counters = []
    await cluster.stop()
  })

  interface Stall {
    /** Milliseconds. */
    readonly stood: number
    /** Of them with a processor: what others on this machine took is not the program's doing. */
    readonly worked: number
    readonly pid: string
  }

  /** The longest stall of any process of the edge between two moments. */
  function worstStall(from: number, to: number): Stall {
    let worst: Stall = { stood: 0, worked: 0, pid: '' }
    for (const pid of readdirSync(stalls))
      for (const line of readFileSync(join(stalls, pid), 'utf8').split('\n')) {
        const [at = 0, stood = 0, worked = 0] = line.split(' ').map(Number)
        if (at >= from && at <= to && worked > worst.worked) worst = { stood, worked, pid }
      }
    return worst
  }

  async function measure(path: string): Promise<{ ms: number; stall: Stall; bytes: number }[]> {
    const runs: { ms: number; stall: Stall; bytes: number }[] = []
    for (let run = 0; run < RUNS; run++) {
      const [from, wall] = [performance.now(), Date.now()]
      const response = await fetch(`http://127.0.0.1:${cluster.edges[0]!.adminPort}${path}`)
      const text = await response.text()
      const ms = Math.round(performance.now() - from)
      await sleep(200)
      runs.push({ ms, stall: worstStall(wall, Date.now()), bytes: text.length })
      expect(response.status, text.slice(0, 200)).to.equal(200)
    }
    if (process.env['SESSIONS'] !== undefined)
      console.log(path, `primary ${cluster.edges[0]!.program.pid}`, JSON.stringify(runs))
    return runs
  }

  for (const [path, msMax] of [
    ['/admin/status', ANSWER_MS_MAX],
    ['/admin/sessions?limit=100', ANSWER_MS_MAX],
    [`/admin/sessions?limit=${SESSIONS}`, ANSWER_MS_MAX],
    ['/admin/sessions?tokenHash=00000000&limit=10', ANSWER_MS_MAX],
    ['/metrics', SCRAPE_MS_MAX],
  ] as const)
    it(`${path} comes within ${msMax} ms and holds nobody up for ${STALL_MS_MAX} ms`, async () => {
      const runs = await measure(path)
      expect(Math.min(...runs.map(({ ms }) => ms)), JSON.stringify(runs)).to.be.below(msMax)
      expect(Math.min(...runs.map(({ stall }) => stall.worked)), JSON.stringify(runs)).to.be.below(
        STALL_MS_MAX,
      )
    })

  it('all of them are listed, and the tool itself takes hardly longer', async () => {
    const { out, ms } = await runCtl(['sessions', '--limit', String(SESSIONS)], {
      configFile: configFileOf(cluster.edges[0]!.program),
    })
    expect(out.trimEnd().split('\n').at(-1)).to.equal(`${SESSIONS} of ${SESSIONS} sessions`)
    expect(ms).to.be.below(10_000)
    if (process.env['SESSIONS'] !== undefined) console.log('the tool', Math.round(ms), 'ms')
  })
})
