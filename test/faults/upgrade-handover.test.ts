import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { Load } from '../integration/resume.support/load.js'
import { Returning } from '../integration/resume.support/returning.js'
import { freePort } from '../support/port.mjs'
import type { Program } from '../support/program.mjs'
import { sleep, waitFor } from '../support/wait.mjs'
import { Cluster, edgeHost, type EdgeHost } from './support/cluster.js'
import { Installation } from './support/installation.js'

const START_MS_MAX = 60_000
const UPGRADE_MS_MAX = 120_000
const ARRIVAL_MS_MAX = 60_000
const PER_SECOND = 200
/** `SESSIONS=2000` for a whole measurement. */
const SESSIONS = Number(process.env['SESSIONS'] ?? 200)
/** Sessions of one user; each event is for one user. */
const PER_USER = 20
const USERS = Math.ceil(SESSIONS / PER_USER)
const FLAWLESS = { lost: 0, doubled: 0, disordered: 0 }

describe(`SIGHUP under ${PER_SECOND} events/s with ${SESSIONS} sessions`, function () {
  this.timeout(400_000)

  let cluster: Cluster
  let installation: Installation
  let program: Program
  let edge: EdgeHost
  let members: Returning[] = []
  let load: Load

  before(async () => {
    cluster = await Cluster.start({ name: 'upgrade-handover', edges: 0 })
  })
  after(() => cluster.stop())

  async function begin(drain: object): Promise<void> {
    installation = await Installation.make()
    await installation.setVersion('1.0.0')
    const [port, adminPort] = [await freePort(), await freePort()]
    await installation.configure(cluster.edgeConfig(port, adminPort, { process_workers: 2, drain }))
    program = installation.start()
    edge = edgeHost(program, port, adminPort)
    await program.ready(adminPort, START_MS_MAX)
    await waitFor(async () => (await edge.metric('workers_ready')) === 2, {
      timeoutMs: START_MS_MAX,
      what: 'both workers to serve',
    })
    const users = Array.from({ length: USERS }, () => randomUUID())
    members = []
    for (let i = 0; i < SESSIONS; i += PER_USER) {
      const some = Array.from({ length: Math.min(PER_USER, SESSIONS - i) }, (_, k) => {
        const { token } = cluster.auth.mint({ user: users[i / PER_USER]! })
        return Returning.start(cluster, { token, version: k % 2 === 0 ? 2 : 1, host: () => edge })
      })
      members.push(...(await Promise.all(some)))
    }
    load = new Load(cluster.publisher, PER_SECOND, (n) => ({
      everyone: false,
      users: [users[n % USERS]!],
      data: { n: Math.floor(n / USERS) },
    }))
    await sleep(1_000)
  }

  afterEach(async function () {
    await load.stop()
    await Promise.all(members.map((member) => member.end()))
    await program.stop('SIGTERM', 3000)
    if (this.currentTest?.state === 'failed') console.log(program.logs().slice(-6000))
  })

  async function upgrade(version: string): Promise<void> {
    await installation.setVersion(version)
    const before = upgrades()
    program.kill('SIGHUP')
    await waitFor(() => upgrades() > before || program.logs().includes('upgrade has failed'), {
      timeoutMs: UPGRADE_MS_MAX,
      what: 'the upgrade',
    })
    expect(upgrades(), program.logs().slice(-3000)).to.equal(before + 1)
  }

  const upgrades = () => program.logs().split('all workers are replaced').length - 1

  /** Each member's own numbers are those of its user: 0, 1, 2, ... by the rank among the user's events. */
  async function verdicts(): Promise<object[]> {
    const sent = await load.stop()
    const seen = () => members.every((member, i) => (member.look(), member.tally.reached >= due(i, sent)))
    await waitFor(seen, { timeoutMs: ARRIVAL_MS_MAX, everyMs: 50, what: 'the last event' }).catch(
      () => undefined,
    )
    await sleep(300) // for what should not come
    expect(members.flatMap(({ oddities }) => oddities)).to.deep.equal([])
    return members.map((member, i) => member.verdict(due(i, sent)))
  }

  const due = (i: number, sent: number) => Math.ceil((sent - Math.floor(i / PER_USER)) / USERS)

  const versions = async () => {
    const text = await (await fetch(`http://127.0.0.1:${edge.adminPort}/metrics`)).text()
    return /^websocketd_build_info\{version="(\S+)"\} 1$/m.exec(text)?.[1]
  }

  it('closes no session, and nothing is lost, doubled or out of order; the clients keep their connections', async () => {
    await begin({})
    const [pids, ports] = [edge.workerPids(), members.map(({ localPort }) => localPort)]
    await upgrade('2.0.0')
    expect(await edge.metric('handover_total', { result: 'moved' })).to.equal(SESSIONS)
    expect(edge.workerPids().filter((pid) => pids.includes(pid))).to.deep.equal([])
    await waitFor(async () => (await versions()) === '2.0.0', { what: 'the new version in the metrics' })
    await sleep(1_000)
    const sessions = await edge.metric('connections')
    expect(await verdicts()).to.deep.equal(members.map(() => FLAWLESS))
    expect(members.flatMap(({ endings }) => endings)).to.deep.equal([])
    expect(members.map(({ localPort }) => localPort)).to.deep.equal(ports)
    expect(sessions).to.equal(SESSIONS)
    console.log(`      ${load.sent} events, ${SESSIONS} connections passed on`)
  })

  it('without hand-over closes with 1012 only, paced; the clients come back and have missed nothing', async () => {
    const rate = 50
    await begin({ handover: false, rate })
    const lookups = cluster.auth.requests().lookups
    await upgrade('2.0.0')
    await waitFor(() => members.every(({ connected }) => connected), {
      timeoutMs: ARRIVAL_MS_MAX,
      what: 'every client to be back',
    })
    await sleep(1_000)
    expect(await verdicts()).to.deep.equal(members.map(() => FLAWLESS))
    const endings = members.flatMap((member) => member.endings)
    expect(new Set(endings.map(({ code }) => code))).to.deep.equal(new Set([1012]))
    expect(members.every((member) => member.endings.length >= 1)).to.equal(true)
    expect(await edge.metric('handover_total')).to.equal(0)
    console.log(
      `      ${load.sent} events, ${endings.length} closes, look-ups before ${lookups}, after ${cluster.auth.requests().lookups}`,
    )
  })

  it('hands over again and again, and what cannot pass gets 1012 and resumes', async () => {
    await begin({})
    // In the middle of a frame: the rest of its header never comes. An answer to a ping would be taken for it.
    const { token } = cluster.auth.mint()
    const stuck = await cluster.connect(token, { socket: { autoPong: false } }, edge).start('numbered')
    const raw = (stuck.socket as unknown as { _socket: { write(bytes: Uint8Array): void } })._socket
    raw.write(Uint8Array.of(0x81))
    await sleep(200)
    await upgrade('2.0.0')
    expect((await stuck.closed).code).to.equal(1012)
    await upgrade('3.0.0')
    await upgrade('4.0.0')
    expect(await edge.metric('handover_total', { result: 'moved' })).to.equal(3 * SESSIONS)
    expect(await edge.metric('handover_total', { result: 'mid-frame' })).to.equal(1)
    expect(await verdicts()).to.deep.equal(members.map(() => FLAWLESS))
    expect(members.flatMap(({ endings }) => endings)).to.deep.equal([])
  })
})
