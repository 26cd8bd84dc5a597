import { expect } from 'chai'
import { startHaproxy } from '../support/haproxy.js'
import { startNginx } from '../support/nginx.js'
import type { Proxy } from '../support/proxy.js'
import type { Client } from '../support/client.js'
import { sleep, waitFor } from '../support/wait.mjs'
import { Audience } from './support/audience.js'
import { Cluster, type EdgeHost } from '../support/cluster.js'
import { InstalledHost } from './support/installed-host.js'

/** `SESSIONS=2000` for a whole measurement. */
const SESSIONS = Number(process.env['SESSIONS'] ?? 120)
const PER_SECOND = 200
/** `drain.rate`: lower it where the machine is too busy to serve so many clients that come back. */
const RATE = Number(process.env['DRAIN_RATE'] ?? 200)
/** Seconds of `drain.timeout`: the default, unless all sessions on one host take longer at that rate. */
const TIMEOUT = Math.max(30, Math.ceil((1.5 * SESSIONS) / RATE))
/** Of each host. */
const WORKERS = SESSIONS < 1_000 ? 1 : 2
const TRAFFIC_MS_MAX = 60_000
const FLAWLESS = { lost: 0, doubled: 0, disordered: 0 }

interface Kind {
  readonly name: string
  /** Seconds of `drain.delay`, as the README beside its configuration has it. */
  readonly delay: number
  start(hosts: readonly [InstalledHost, InstalledHost]): Promise<Proxy>
}

const KINDS: readonly Kind[] = [
  {
    name: 'nginx',
    delay: 3,
    start: (hosts) =>
      startNginx(
        'upstream',
        hosts.map(({ port }) => port),
        2 * SESSIONS,
      ),
  },
  { name: 'HAProxy', delay: 5, start: startHaproxy },
]

describe(`Two edge hosts with ${SESSIONS} sessions and ${PER_SECOND} events/s, upgraded one after the other`, function () {
  this.timeout(600_000)

  let cluster: Cluster
  let hosts: [InstalledHost, InstalledHost]
  let release = 1

  before(async () => {
    cluster = await Cluster.start({ name: 'upgrade-hosts', edges: 0 })
    hosts = [await InstalledHost.make(cluster), await InstalledHost.make(cluster)]
    await Promise.all(
      hosts.map(async (host) => {
        await host.install(`${release}.0.0`, { process_workers: WORKERS })
        await host.start(WORKERS)
      }),
    )
  })
  after(async () => {
    await Promise.all(hosts.map((host) => host.stop()))
    await cluster.stop()
  })

  for (const kind of KINDS)
    describe(`behind ${kind.name}`, () => {
      let proxy: Proxy
      let audience: Audience

      before(async () => {
        proxy = await kind.start(hosts)
        await Promise.all(hosts.map(givenTraffic))
      })
      after(() => proxy.stop())

      beforeEach(async () => {
        audience = await Audience.start(cluster, {
          sessions: SESSIONS,
          perSecond: PER_SECOND,
          url: url(),
          socket: { ca: proxy.certificate },
        })
        await sleep(1_000)
      })
      afterEach(async function () {
        await audience.end()
        if (this.currentTest?.state !== 'failed') return
        for (const host of hosts) console.log(host.logs().slice(-4000))
        console.log((await proxy.logs()).slice(-4000))
      })

      const url = () => `wss://127.0.0.1:${proxy.port}/api/websocketd/`

      /** The next release on both disks. */
      async function released(): Promise<string> {
        const version = `${++release}.0.0`
        const drain = { delay: kind.delay, rate: RATE, timeout: TIMEOUT }
        for (const host of hosts)
          await host.install(version, {
            drain,
            process_workers: WORKERS,
            websocket: { port: host.port, trusted_proxies: ['127.0.0.1'] },
          })
        return version
      }

      /** Resolves when the proxy gives a host new connections: the one with the fewest sessions gets the next. */
      async function givenTraffic(host: InstalledHost): Promise<void> {
        const probes: Client[] = []
        const has = async () => {
          const { token } = cluster.auth.mint()
          const options = { socket: { ca: proxy.certificate } }
          const probe = cluster.connect(token, options, { url: url() } as EdgeHost)
          probes.push(probe)
          await probe.start('nothing')
          return (await host.edge.metric('connections')) > 0
        }
        await waitFor(has, { timeoutMs: TRAFFIC_MS_MAX, everyMs: 300, what: 'traffic for the host' })
        await Promise.all(probes.map((probe) => probe.close()))
      }

      it('SIGHUP with hand-over: no client sees a close, and nothing is lost, doubled or out of order', async () => {
        const version = await released()
        const moved = () => sum('handover_total', { result: 'moved' })
        const before = await moved()
        for (const host of hosts) {
          await host.reload()
          expect(audience.codes).to.deep.equal([])
        }
        for (const host of hosts)
          await waitFor(async () => (await host.version()) === version, { what: 'the new version' })
        await sleep(1_000)
        expect((await moved()) - before).to.equal(SESSIONS)
        expect(audience.codes).to.deep.equal([])
        expect(await audience.verdict()).to.deep.equal(FLAWLESS)
        expect(await sum('connections')).to.equal(SESSIONS)
        console.log(`        ${audience.sent} events, ${SESSIONS} connections passed on, no close`)
      })

      it('restarts: closed with 1012 only, everybody resumes on the other host, and no handshake fails', async () => {
        const version = await released()
        const begun = performance.now()
        for (const host of hosts) {
          await waitFor(async () => (await sum('connections')) === SESSIONS, {
            what: 'the end of those that were not of the audience',
          })
          const sessions = await host.edge.metric('connections')
          const closed = audience.codes.length
          expect(await host.drain()).to.equal(0)
          await audience.complete()
          expect(audience.codes.length - closed).to.equal(sessions)
          await host.start(WORKERS)
          await givenTraffic(host)
          expect(await host.version()).to.equal(version)
        }
        const seconds = ((performance.now() - begun) / 1000).toFixed(0)
        await sleep(1_000)
        expect(new Set(audience.codes)).to.deep.equal(new Set([1012]))
        expect(audience.codes.length).to.be.above(SESSIONS)
        expect(await audience.verdict()).to.deep.equal(FLAWLESS)
        expect(audience.failures).to.deep.equal([])
        console.log(
          `        ${audience.sent} events in ${seconds} s, ${audience.codes.length} closes, all 1012, each followed by one handshake`,
        )
      })
    })

  async function sum(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
    const [a, b] = await Promise.all(hosts.map((host) => host.edge.metric(name, labels)))
    return a! + b!
  }
})
