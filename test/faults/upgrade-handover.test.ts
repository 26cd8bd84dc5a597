import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { Load } from '../support/load.js'
import { Returning } from '../support/returning.js'
import { SdkClient } from './support/sdk-client.js'
import { freePort } from '../support/port.mjs'
import type { Program } from '../support/program.mjs'
import { sleep, waitFor } from '../support/wait.mjs'
import { Cluster, edgeHost, type EdgeHost } from '../support/cluster.js'
import { Installation } from './support/installation.js'
import { busiestSecond } from './support/pace.js'
import type { Verdict } from '../support/tally.js'

const START_MS_MAX = 60_000
const UPGRADE_MS_MAX = 120_000
const ARRIVAL_MS_MAX = 60_000
const PER_SECOND = 200
/** `SESSIONS=2000` for a whole measurement. */
const SESSIONS = Number(process.env['SESSIONS'] ?? 200)
/** Sessions of one user; each event is for one user. */
const PER_USER = 20
const USERS = Math.ceil(SESSIONS / PER_USER)
/** Clients of Wazo's SDK beside them, one for each of the first users. */
const SDK_CLIENTS = Math.min(10, USERS)
const ALL = SESSIONS + SDK_CLIENTS
const WORKERS = 2
const FLAWLESS: Verdict = { lost: 0, doubled: 0, disordered: 0 }

describe(`SIGHUP under ${PER_SECOND} events/s with ${ALL} sessions`, function () {
  this.timeout(400_000)

  let cluster: Cluster
  let installation: Installation
  let program: Program
  let edge: EdgeHost
  let members: Returning[] = []
  let sdks: SdkClient[] = []
  let load: Load
  let configure: (drain: object) => Promise<void>

  before(async () => {
    cluster = await Cluster.start({ name: 'upgrade-handover', edges: 0 })
  })
  after(() => cluster.stop())

  async function begin(drain: object): Promise<void> {
    installation = await Installation.make()
    await installation.setVersion('1.0.0')
    const [port, adminPort] = [await freePort(), await freePort()]
    configure = (of) =>
      installation.configure(cluster.edgeConfig(port, adminPort, { process_workers: WORKERS, drain: of }))
    await configure(drain)
    program = installation.start()
    edge = edgeHost(program, port, adminPort)
    await program.ready(adminPort, START_MS_MAX)
    await waitFor(async () => (await edge.metric('workers_ready')) === WORKERS, {
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
    sdks = await Promise.all(
      users
        .slice(0, SDK_CLIENTS)
        .map((user) => SdkClient.start({ token: cluster.auth.mint({ user }).token, host: () => edge })),
    )
    load = new Load(cluster.publisher, PER_SECOND, (n) => ({
      everyone: false,
      users: [users[n % USERS]!],
      data: { n: Math.floor(n / USERS) },
    }))
    await sleep(1_000)
  }

  afterEach(async function () {
    await load.stop()
    await Promise.all([...members, ...sdks].map((member) => member.end()))
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
  async function expectFlawless(): Promise<void> {
    const sent = await load.stop()
    const seen = () =>
      members.every((member, i) => (member.look(), member.tally.reached >= due(userOf(i), sent))) &&
      sdks.every(({ tally }, user) => tally.reached >= due(user, sent))
    await waitFor(seen, { timeoutMs: ARRIVAL_MS_MAX, everyMs: 50, what: 'the last event' }).catch(
      () => undefined,
    )
    await sleep(300) // for what should not come
    expect(members.flatMap(({ oddities }) => oddities)).to.deep.equal([])
    const verdicts = [
      ...members.map((member, i) => member.verdict(due(userOf(i), sent))),
      ...sdks.map((client, user) => client.verdict(due(user, sent))),
    ]
    expect(verdicts.reduce(added), 'of all sessions together').to.deep.equal(FLAWLESS)
  }

  const userOf = (member: number) => Math.floor(member / PER_USER)
  const due = (user: number, sent: number) => Math.ceil((sent - user) / USERS)

  const versions = async () => {
    const text = await (await fetch(`http://127.0.0.1:${edge.adminPort}/metrics`)).text()
    return /^websocketd_build_info\{version="(\S+)"\} 1$/m.exec(text)?.[1]
  }

  it('closes no session, and nothing is lost, doubled or out of order; the clients keep their connections', async () => {
    await begin({})
    const [pids, ports] = [edge.workerPids(), members.map(({ localPort }) => localPort)]
    await upgrade('2.0.0')
    expect(await edge.metric('handover_total', { result: 'moved' })).to.equal(ALL)
    expect(edge.workerPids().filter((pid) => pids.includes(pid))).to.deep.equal([])
    await waitFor(async () => (await versions()) === '2.0.0', { what: 'the new version in the metrics' })
    await sleep(1_000)
    const sessions = await edge.metric('connections')
    await expectFlawless()
    expect(members.flatMap(({ endings }) => endings)).to.deep.equal([])
    expect(sdks.flatMap(({ codes }) => codes)).to.deep.equal([])
    expect(members.map(({ localPort }) => localPort)).to.deep.equal(ports)
    expect(sessions).to.equal(ALL)
    console.log(`      ${load.sent} events, ${ALL} connections passed on`)
  })

  it('without hand-over closes with 1012 only, paced; the clients come back and have missed nothing', async () => {
    const rate = Math.max(50, SESSIONS / 20)
    await begin({ handover: false, rate })
    cluster.auth.reset()
    await upgrade('2.0.0')
    await waitFor(() => [...members, ...sdks].every(({ connected }) => connected), {
      timeoutMs: ARRIVAL_MS_MAX,
      what: 'every client to be back',
    })
    await sleep(1_000)
    await expectFlawless()
    const codes = [
      ...members.map(({ endings }) => endings.map(({ code }) => code)),
      ...sdks.map((each) => each.codes),
    ]
    expect(new Set(codes.flat())).to.deep.equal(new Set([1012]))
    expect(codes.every(({ length }) => length >= 1)).to.equal(true)
    expect(await edge.metric('handover_total')).to.equal(0)
    const { lookups } = cluster.auth.requests()
    expect(lookups).to.be.within(ALL, ALL * WORKERS)
    const most = busiestSecond(members.flatMap(({ endedAt }) => endedAt))
    // Groups of sessions are closed as a whole, and late ticks are made up for.
    expect(most).to.be.within(rate / 2, rate * 1.4)
    console.log(
      `      ${load.sent} events, ${codes.flat().length} closes, at most ${most} in a second at a rate of ${rate}, ${lookups} look-ups`,
    )
  })

  it('by a configuration without hand-over closes with 1012, also what the old one would pass on', async () => {
    await begin({})
    await configure({ handover: false })
    await upgrade('2.0.0')
    const codes = members.flatMap(({ endings }) => endings.map(({ code }) => code))
    expect(new Set(codes)).to.deep.equal(new Set([1012]))
    expect(await edge.metric('handover_total', { result: 'moved' })).to.equal(0)
    expect(await edge.metric('handover_total', { result: 'successor-refused' })).to.be.greaterThan(0)
    await waitFor(() => [...members, ...sdks].every(({ connected }) => connected), {
      timeoutMs: ARRIVAL_MS_MAX,
      what: 'every client to be back',
    })
    await expectFlawless()
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
    expect(await edge.metric('handover_total', { result: 'moved' })).to.equal(3 * ALL)
    expect(await edge.metric('handover_total', { result: 'mid-frame' })).to.equal(1)
    await expectFlawless()
    expect(members.flatMap(({ endings }) => endings)).to.deep.equal([])
    expect(sdks.flatMap(({ codes }) => codes)).to.deep.equal([])
  })
})

function added(a: Verdict, b: Verdict): Verdict {
  return {
    lost: a.lost + b.lost,
    doubled: a.doubled + b.doubled,
    disordered: a.disordered + b.disordered,
  }
}
