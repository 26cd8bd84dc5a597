/**
 * A real Prometheus and a real Alertmanager with the shipped rules and inhibition, over a cluster to which something
 * happens: the alert of the cause is all that an operator hears of. Every time of the rules is 15 times shorter than
 * shipped, and so are `redis.lost_grace` and the scrapes; thresholds are as shipped. (`WebsocketdEventLoopLag` keeps its two
 * minutes: the programs hold what it looks at for one.)
 *
 * By hand, with nothing shortened and the scrapes as shipped, in some three quarters of an hour:
 * `REAL_TIMES=1 npx mocha test/faults/alerts.test.ts`.
 */
import { expect } from 'chai'
import { Cluster } from '../support/cluster.js'
import { numbered } from '../support/numbered.js'
import { allReady, portOf } from '../support/pages.js'
import { sharedRabbit } from '../support/rabbitmq.mjs'
import { startRedis } from '../support/redis.mjs'
import { Returning } from '../support/returning.js'
import { sleep, waitFor } from '../support/wait.mjs'
import { Wire } from '../support/wire.js'
import { startAlertmanager, type Alertmanager } from '../support/alertmanager.js'
import { startPrometheus, type Prometheus } from '../support/prometheus.js'

/** All that follows is for this many times shorter rules. */
const TIMES_SHORTER = 15
const REAL_TIMES = process.env['REAL_TIMES'] !== undefined
const SHORTENED = REAL_TIMES ? 1 : TIMES_SHORTER
/** How much longer all takes than written here. */
const SLOWER = TIMES_SHORTER / SHORTENED
const SESSIONS = 40
const EVENT_EVERY_MS = 100
const STREAM = 'wazo-websocketd.v1'
/** So long everything is well before something happens. */
const WELL_MS = 5_000 * SLOWER
/** Before an upgrade, and again after it: five minutes of the rules. */
const ORDINARY_MS = 20_000 * SLOWER
const CAUSE_MS_MAX = 25_000 * SLOWER
/** From the cause on: three and a half minutes of the rules, in which its symptoms come. */
const WATCHED_MS = 14_000 * SLOWER
const READY_MS_MAX = 40_000
/** Clients try again so often that they are there when the incident is over: they give up after 20 times. */
const RETURN_MS = 2_000 * SLOWER
/** A new worker does not live until it serves: its start is not 15 times shorter. */
const DEATH_EVERY_MS = 700 * SLOWER
const LOST_GRACE_SECONDS = 2 * SLOWER
const EACH_MS_MAX = 150_000 * (REAL_TIMES ? 10 : 1)

describe('alerts of a real Prometheus at an Alertmanager', function () {
  this.timeout(EACH_MS_MAX)
  let cluster: Cluster
  let ways: { redis: Wire; rabbit: Wire; auth: Wire }
  let sessions: Returning[]
  let alertmanager: Alertmanager
  let prometheus: Prometheus
  let publishing: NodeJS.Timeout

  before(async () => {
    const [server, rabbit] = await Promise.all([startRedis(), sharedRabbit()])
    const redis = await Wire.to(server.port)
    const bus = await Wire.to(rabbit.port)
    cluster = await Cluster.start({
      name: 'alerts',
      server,
      rabbit,
      edges: 0,
      config: {
        redis: { url: `redis://127.0.0.1:${redis.port}`, lost_grace: LOST_GRACE_SECONDS },
        bus: { port: bus.port },
      },
    })
    const auth = await Wire.to(cluster.auth.port)
    ways = { redis, rabbit: bus, auth }
    await cluster.startEdge({ auth: { port: auth.port } })
    sessions = await Promise.all(
      Array.from({ length: SESSIONS }, () =>
        Returning.start(cluster, {
          token: cluster.auth.mint().token,
          version: 2,
          host: () => cluster.edges[0]!,
          delay: () => RETURN_MS,
        }),
      ),
    )
    let events = 0
    publishing = setInterval(() => {
      cluster.publisher.publish(numbered(++events)).catch(() => undefined)
    }, EVENT_EVERY_MS)
  })
  after(async () => {
    clearInterval(publishing)
    await Promise.all(sessions.map((session) => session.end()))
    await cluster.stop()
    await Promise.all(Object.values(ways).map((way) => way.refuse()))
  })

  beforeEach(async () => {
    await allReady(cluster, READY_MS_MAX)
    alertmanager = await startAlertmanager()
    await startWatching()
  })
  afterEach(async () => {
    await prometheus.stop()
    await alertmanager.stop()
  })

  async function startWatching(): Promise<void> {
    prometheus = await startPrometheus({
      edge: cluster.edges[0]!.adminPort,
      ingest: portOf(cluster.ingests[0]!),
      alertmanager: alertmanager.port,
      shortened: SHORTENED,
    })
  }

  /** All that is heard, and all that is muted, until `ms` are over. */
  async function watch(ms: number): Promise<{ heard: string[]; muted: string[] }> {
    const heard = new Set<string>()
    const muted = new Set<string>()
    const until = performance.now() + ms
    while (performance.now() < until) {
      await sleep(250)
      const now = await alertmanager.alerts()
      for (const name of now.heard) heard.add(name)
      for (const name of now.muted) muted.add(name)
    }
    return { heard: [...heard].sort(), muted: [...muted].sort() }
  }

  async function expectOnly(cause: string, atLeastMuted: readonly string[] = []): Promise<void> {
    const begun = performance.now()
    await waitFor(async () => (await alertmanager.alerts()).heard.length > 0, {
      timeoutMs: CAUSE_MS_MAX,
      everyMs: 100,
      what: `an alert (${cause})`,
    })
    const took = Math.round(performance.now() - begun)
    const { heard, muted } = await watch(WATCHED_MS)
    console.log(`      ${heard.join(', ')} after ${took} ms; muted: ${muted.join(', ') || 'nothing'}`)
    expect(heard).to.deep.equal([`Websocketd${cause}`])
    expect(muted).to.include.members(atLeastMuted.map((name) => `Websocketd${name}`))
  }

  it('are none under ordinary load, through an upgrade', async () => {
    expect(await watch(ORDINARY_MS)).to.deep.equal({ heard: [], muted: [] })
    const upgrades = () => cluster.metric('upgrades_total', { result: 'success' })
    const before = await upgrades()
    cluster.edges[0]!.program.kill('SIGHUP')
    await waitFor(async () => (await upgrades()) > before, { timeoutMs: READY_MS_MAX, what: 'the upgrade' })
    expect(await watch(ORDINARY_MS)).to.deep.equal({ heard: [], muted: [] })
  })

  for (const [what, way, cause, muted] of [
    ['Redis', 'redis', 'RedisDown', ['MassClose1011']],
    ['RabbitMQ', 'rabbit', 'RabbitmqDown', ['MassClose1011', 'NotPublishing']],
  ] as const)
    it(`name ${what} when it is gone, and mute what comes of it`, async () => {
      expect((await watch(WELL_MS)).heard).to.deep.equal([])
      await ways[way].refuse()
      try {
        await expectOnly(cause, muted)
      } finally {
        await ways[way].heal()
      }
    })

  it('name wazo-auth when it is gone and clients try', async () => {
    expect((await watch(WELL_MS)).heard).to.deep.equal([])
    await ways.auth.refuse()
    const trying = setInterval(() => {
      const client = cluster.connect(cluster.auth.mint().token)
      client.opened.catch(() => undefined)
    }, 200)
    try {
      await expectOnly('WazoAuthFailing')
    } finally {
      clearInterval(trying)
      await ways.auth.heal()
    }
  })

  it('name the worker that hangs', async () => {
    expect((await watch(WELL_MS)).heard).to.deep.equal([])
    const [hung] = cluster.edges[0]!.workerPids()
    process.kill(hung!, 'SIGSTOP')
    try {
      await expectOnly('WorkerHung')
    } finally {
      process.kill(hung!, 'SIGKILL')
    }
  })

  it('name workers that die again and again', async () => {
    expect((await watch(WELL_MS)).heard).to.deep.equal([])
    const edge = cluster.edges[0]!
    const killing = new AbortController()
    const kills = (async () => {
      while (!killing.signal.aborted) {
        for (const worker of edge.workerPids().slice(0, 1)) killIfThere(worker)
        await sleep(DEATH_EVERY_MS)
      }
    })()
    try {
      await expectOnly('WorkerCrashLoop')
    } finally {
      killing.abort()
      await kills
    }
  })

  it('name a mass 1011 right after the start of an edge, for which nothing else is to blame', async () => {
    // A restart takes longer than four seconds, which stand for the minute in which no alert is raised about it.
    await prometheus.stop()
    const edge = cluster.edges[0]!
    await edge.program.stop('SIGTERM', 10_000)
    await cluster.restartEdge(edge)
    await startWatching()
    const newcomers = await Promise.all(
      Array.from({ length: SESSIONS }, () => cluster.connect(cluster.auth.mint().token).start('numbered')),
    )
    const rabbit = await sharedRabbit()
    await rabbit.ctl('delete_queue', '-p', new URL(cluster.amqpUrl).pathname.slice(1), STREAM)
    await expectOnly('MassClose1011')
    for (const { closed } of newcomers) expect((await closed).code).to.equal(1011)
  })
})

/** The log tells of a worker's end a moment after it. */
function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
