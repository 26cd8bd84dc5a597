import { expect } from 'chai'
import type { Client } from '../support/client.js'
import { freePort } from '../support/port.mjs'
import { groupIsAlive } from '../support/processes.mjs'
import type { Program } from '../support/program.mjs'
import { sleep, waitFor } from '../support/wait.mjs'
import { Cluster, edgeHost, type EdgeHost } from '../support/cluster.js'
import { Installation } from './support/installation.js'
import { busiestSecond } from './support/pace.js'

const START_MS_MAX = 60_000
const RATE = 40
/** Without hand-over: what becomes of sessions that cannot pass. */
const DRAIN = { rate: RATE, timeout: 20, handover: false }
const RESTARTED = { code: 1012, reason: 'service restart' }
const GOING_AWAY = { code: 1001, reason: 'going away' }

describe('SIGHUP to an edge replaces its workers', function () {
  this.timeout(300_000)

  let cluster: Cluster
  let installation: Installation
  let program: Program
  let edge: EdgeHost
  let port: number
  let adminPort: number

  before(async () => {
    cluster = await Cluster.start({ name: 'upgrade-workers', edges: 0 })
  })
  after(() => cluster.stop())

  beforeEach(async () => {
    installation = await Installation.make()
    await installation.setVersion('1.0.0')
    port = await freePort()
    adminPort = await freePort()
    await configure()
    program = installation.start()
    edge = edgeHost(program, port, adminPort)
    await program.ready(adminPort, START_MS_MAX)
    await served(2)
  })
  afterEach(async function () {
    await program.stop('SIGTERM', 3000)
    if (this.currentTest?.state === 'failed') console.log(program.logs().slice(-6000))
  })

  const configure = (over: object = {}) =>
    installation.configure(
      cluster.edgeConfig(port, adminPort, {
        process_workers: 2,
        drain: DRAIN,
        ...over,
      }),
    )

  const served = (workers: number) =>
    waitFor(async () => (await edge.metric('workers_ready')) === workers, {
      timeoutMs: START_MS_MAX,
      everyMs: 50,
      what: `${workers} workers to serve`,
    })

  /** The line of the log with which the nth upgrade has ended. */
  async function ended(count = 1): Promise<string> {
    const lines = () =>
      program
        .logs()
        .split('\n')
        .filter((line) => /all workers are replaced|the upgrade has failed/.test(line))
    await waitFor(() => lines().length >= count, {
      timeoutMs: 3 * START_MS_MAX,
      everyMs: 50,
      what: 'the end of the upgrade',
    })
    return lines()[count - 1]!
  }

  async function upgraded(count = 1): Promise<void> {
    expect(await ended(count)).to.include('all workers are replaced')
  }

  const started = (count: number): Promise<Client[]> =>
    Promise.all(
      Array.from({ length: count }, () => cluster.connect(cluster.auth.mint().token, {}, edge).start('*')),
    )

  const closes = (clients: readonly Client[]) => Promise.all(clients.map((client) => client.closed))
  const open = (clients: readonly Client[]) => clients.filter(({ socket }) => socket.readyState === 1).length
  const versions = async () => {
    const text = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text()
    return [...text.matchAll(/^websocketd_(\w*build_info)\{version="(\S+)"\} 1$/gm)].map(
      ([, name, version]) => `${name} ${version}`,
    )
  }

  it('by the code on disk, paced, while others serve; the primary stays what it was', async () => {
    const old = edge.workerPids()
    const clients = await started(120)
    expect(await versions()).to.have.members(['primary_build_info 1.0.0', 'build_info 1.0.0'])
    await installation.setVersion('2.0.0')

    const times: number[] = []
    for (const client of clients) void client.closed.then(() => times.push(performance.now()))
    const opened = async () => {
      // Who comes while workers are replaced is served by those that are not.
      const client = cluster.connect(cluster.auth.mint().token, {}, edge)
      expect(await client.next(20_000)).to.deep.include({ op: 'init' })
      return client
    }
    program.kill('SIGHUP')
    const later: Client[] = []
    const isDone = async () => {
      later.push(await opened())
      expect((await fetch(`http://127.0.0.1:${adminPort}/readyz`)).status).to.equal(200)
      return program.logs().includes('all workers are replaced')
    }
    await waitFor(isDone, { timeoutMs: 3 * START_MS_MAX, everyMs: 200, what: 'the upgrade' })
    await upgraded()

    expect(new Set((await closes(clients)).map((closed) => JSON.stringify(closed)))).to.deep.equal(
      new Set([JSON.stringify(RESTARTED)]),
    )
    expect(busiestSecond(times)).to.be.within(RATE / 2, RATE * 1.3)
    console.log(
      `      most closes in a second: ${busiestSecond(times)}, of ${times.length}, at a rate of ${RATE}`,
    )
    await served(2)
    expect(edge.workerPids()).to.have.length(2)
    expect(edge.workerPids().filter((pid) => old.includes(pid))).to.deep.equal([])
    const now = async () => (await versions()).sort().join() === 'build_info 2.0.0,primary_build_info 1.0.0'
    await waitFor(now, { what: 'the version of the new workers' })
    expect(await edge.metric('upgrades_total', { result: 'success' })).to.equal(1)
    expect(await edge.metric('upgrade_in_progress')).to.equal(0)
    expect(await edge.metric('connections_closed_total', { code: '1012' })).to.be.at.least(120)
    expect(await edge.metric('worker_restarts_total')).to.equal(0)
    for (const client of later) client.socket.terminate()
  })

  const failures: readonly [string, () => Promise<void>, RegExp][] = [
    [
      'whose code throws',
      () => installation.setWorker("throw new Error('broken')"),
      /ended before it was ready/,
    ],
    [
      'that cannot bind its port',
      () => configure({ websocket: { listen: '192.0.2.1', port } }),
      /192\.0\.2\.1.*not an address of this machine/,
    ],
    [
      'that never gets ready',
      () =>
        configure({
          auth: { ...(cluster.edgeConfig(port, adminPort)['auth'] as object), password: 'wrong' },
        }),
      /not ready after 60 s/,
    ],
    [
      'whose configuration is wrong',
      () => configure({ websocket: { port: 'high' } }),
      /config\.yml.*websocket\.port/,
    ],
  ]
  for (const [what, breakIt, why] of failures)
    it(`leaves the old ones serving when there is a new one ${what}; mended, the next SIGHUP goes well`, async () => {
      const old = edge.workerPids()
      const clients = await started(20)
      await breakIt()
      program.kill('SIGHUP')
      const line = await ended()
      expect(line).to.include('"level":"error"').and.match(why)
      expect(await edge.metric('upgrades_total', { result: 'failure' })).to.equal(1)
      expect(await edge.metric('upgrade_failed')).to.equal(1)
      expect(open(clients)).to.equal(20)
      await waitFor(() => edge.workerPids().length === 2, { what: 'the end of the new worker' })
      expect(edge.workerPids()).to.have.members(old)
      for (const client of await started(10)) client.socket.terminate()

      await installation.setWorker()
      await configure()
      program.kill('SIGHUP')
      await upgraded(2)
      expect(await edge.metric('upgrade_failed')).to.equal(0)
      expect(edge.workerPids().filter((pid) => old.includes(pid))).to.deep.equal([])
    })

  it('twice when it comes twice: the second time by what is on disk then', async () => {
    await installation.setVersion('2.0.0')
    program.kill('SIGHUP')
    await waitFor(() => program.logs().includes('SIGHUP: replacing'), { what: 'the first upgrade' })
    await installation.setVersion('3.0.0')
    program.kill('SIGHUP')
    await upgraded(2)
    const now = async () => (await versions()).sort().join() === 'build_info 3.0.0,primary_build_info 1.0.0'
    await waitFor(now, { timeoutMs: 10_000, what: 'the last version' })
    await sleep(1000)
    expect(await edge.metric('upgrades_total', { result: 'success' })).to.equal(2)
    expect(edge.workerPids()).to.have.length(2)
  })

  it('by others in number, port and level of the log', async () => {
    const newPort = await freePort()
    const clients = await started(10)
    await configure({ process_workers: 3, log_level: 'warning', websocket: { port: newPort } })
    const done = (count: number) =>
      waitFor(async () => (await edge.metric('upgrades_total', { result: 'success' })) === count, {
        timeoutMs: 3 * START_MS_MAX,
        everyMs: 50,
        what: 'the end of the upgrade',
      })
    program.kill('SIGHUP')
    await done(1)
    await served(3)
    expect(await closes(clients)).to.deep.equal(clients.map(() => RESTARTED))
    const moved = edgeHost(program, newPort, adminPort)
    const { token } = cluster.auth.mint()
    const client = await cluster.connect(token, {}, moved).start('*')
    const refused = await cluster.connect(token, {}, edge).opened.catch((error: unknown) => String(error))
    expect(refused).to.include('ECONNREFUSED')
    const tenants = () => (program.logs().match(/master tenant known/g) ?? []).length
    expect(tenants(), 'the new workers keep to the new level').to.equal(2)
    expect(program.logs(), 'so does the primary').to.not.include('all workers are replaced')
    client.socket.terminate()

    await configure({ process_workers: 1, websocket: { port: newPort } })
    program.kill('SIGHUP')
    await done(2)
    expect(await edge.metric('workers')).to.equal(1)
    expect(tenants()).to.equal(3)
    expect(program.logs()).to.include('all workers are replaced')
    await (await cluster.connect(token, {}, moved).start('*')).close()
  })

  it('also while they crash at every start: mended code on disk serves at once', async () => {
    const [victim] = edge.workerPids()
    await installation.setWorker("throw new Error('broken')")
    process.kill(victim!, 'SIGKILL')
    await waitFor(() => (program.logs().match(/ended unexpectedly/g) ?? []).length >= 4, {
      timeoutMs: START_MS_MAX,
      what: 'a crash loop',
    })
    for (const client of await started(5)) client.socket.terminate()
    await installation.setWorker()
    program.kill('SIGHUP')
    await upgraded()
    await served(2)
    expect(edge.workerPids()).to.have.length(2)
  })

  it('not when SIGTERM comes meanwhile: all get 1012 within the deadline, status 0, no process left', async () => {
    const clients = await started(60)
    program.kill('SIGHUP')
    await waitFor(() => (program.logs().match(/worker started/g) ?? []).length === 3, {
      timeoutMs: START_MS_MAX,
      everyMs: 20,
      what: 'the first new worker',
    })
    const from = performance.now()
    program.kill('SIGTERM')
    expect(await closes(clients)).to.deep.equal(clients.map(() => RESTARTED))
    expect(await program.exit).to.deep.equal({ code: 0, signal: null })
    expect(performance.now() - from).to.be.below(20_000)
    expect(groupIsAlive(program.pid)).to.equal(false)
    expect(program.logs()).to.include('the upgrade is given up').and.not.include('has failed')
  })

  it('SIGTERM alone: not ready first, then the listener, then 1012, paced', async () => {
    await configure({ drain: { ...DRAIN, delay: 3 } })
    program.kill('SIGHUP')
    await upgraded()
    await served(2)
    const clients = await started(100)
    const times: number[] = []
    for (const client of clients) void client.closed.then(() => times.push(performance.now()))
    const from = performance.now()
    program.kill('SIGTERM')
    await waitFor(async () => (await fetch(`http://127.0.0.1:${adminPort}/readyz`)).status === 503, {
      timeoutMs: 1000,
      everyMs: 10,
      what: 'status 503',
    })
    // Load balancers have not seen it yet.
    const late = cluster.connect(cluster.auth.mint().token, {}, edge)
    expect(await late.next()).to.deep.include({ op: 'init' })
    expect(times).to.deep.equal([])
    expect(await closes(clients)).to.deep.equal(clients.map(() => RESTARTED))
    expect(await program.exit).to.deep.equal({ code: 0, signal: null })
    expect(Math.min(...times) - from).to.be.at.least(2900)
    expect(busiestSecond(times)).to.be.within(RATE / 2, RATE * 1.3)
    expect(groupIsAlive(program.pid)).to.equal(false)
    console.log(
      `      ended after ${Math.round(performance.now() - from)} ms; most closes in a second: ${busiestSecond(times)}`,
    )
  })

  it('a second SIGTERM ends what is left at once with 1001', async () => {
    const clients = await started(200)
    program.kill('SIGTERM')
    await sleep(1000)
    const from = performance.now()
    program.kill('SIGTERM')
    const codes = (await closes(clients)).map(({ code }) => code)
    expect(await program.exit).to.deep.equal({ code: 0, signal: null })
    expect(performance.now() - from).to.be.below(4000)
    expect(codes.filter((code) => code === GOING_AWAY.code).length).to.be.above(50)
    expect(codes.filter((code) => code !== 1001 && code !== 1012)).to.deep.equal([])
    expect(groupIsAlive(program.pid)).to.equal(false)
  })
})
