import { expect } from 'chai'
import { sleep, waitFor } from '../support/wait.mjs'
import type { Client } from '../support/client.js'
import { Cluster, type EdgeHost } from '../support/cluster.js'
import { endings, endingsSince, expectAlive, latenessOf, openSessions } from './support/endings.js'
import { report } from '../support/figures.js'
import { HostClock } from './support/host-clock.js'

const OUTLIVES_MS_MAX = 2_000
const FIVE_MINUTES_MS = 300_000
/** For so long BullMQ lets a worker sleep that has not heard of an earlier job. */
const SLEEP_MS_MAX = 10_000

describe('the expiry of tokens, on a cluster of two hosts', function () {
  this.timeout(120_000)
  let cluster: Cluster

  before(async () => {
    cluster = await Cluster.start({ name: 'token-expiry' })
  })

  after(() => cluster.stop())

  it('closes 1,000 sessions of 200 tokens within 2 s after their expiry, all by the queue, and no others', async () => {
    const staying = await Promise.all(
      Array.from({ length: 50 }, () => cluster.connect(cluster.auth.mint().token).start('*')),
    )
    const late: Promise<number>[] = []
    for (let i = 0; i < 200; i++) {
      // As it is minted it lives for 2 s; all its sessions are open well before.
      const token = cluster.auth.mint({ expiresInMs: 2_000 })
      const clients = await Promise.all(
        Array.from({ length: 5 }, () => cluster.connect(token.token).start('*')),
      )
      for (const client of clients) late.push(latenessOf(client, token))
    }
    expect(late).to.have.length(1_000)
    expectInTime('closed after expiry, ms', await Promise.all(late))
    const ended = await endingsSince(cluster, { queue: 0, bus: 0, backstop: 0 }, 1_000)
    expect(ended).to.deep.equal({ queue: 1_000, bus: 0, backstop: 0 })
    await expectAlive(staying)
    await Promise.all(staying.map((client) => client.close()))
  })

  it('closes the sessions of one token on every worker of every host, and not those of another of the user', async () => {
    const user = '0b2c2a3e-7d6f-4d0c-9a55-0c9a3f6f3c11'
    await waitFor(async () => (await cluster.metric('tokens_tracked')) === 0, { what: 'no token' })
    const before = await endings(cluster)
    const others = [cluster.auth.mint({ user }), cluster.auth.mint({ user })]
    const staying = (await Promise.all(others.map((each) => openSessions(cluster, each)))).flat()
    const token = cluster.auth.mint({ user, expiresInMs: 10_000 })
    const clients: Client[] = []
    // Which worker accepts a connection is the kernel's choice: more come until each has one.
    // Two tokens by the one worker of each host that got them, and this one by all four workers.
    await waitFor(
      async () => {
        clients.push(...(await openSessions(cluster, token, { perHost: 20 })))
        return (await cluster.metric('tokens_tracked')) === 4 + 4
      },
      { timeoutMs: 9_000, everyMs: 300, what: 'sessions on every worker' },
    )
    expectInTime(
      'closed after expiry, ms',
      await Promise.all(clients.map((client) => latenessOf(client, token))),
    )
    const queue = clients.length
    expect(await endingsSince(cluster, before, queue)).to.deep.equal({ queue, bus: 0, backstop: 0 })
    await expectAlive(staying)
    await Promise.all(staying.map((client) => client.close()))
  })

  it('leaves all jobs to the other host when a primary is killed and its workers end', async () => {
    const [dying, surviving] = cluster.edges as [EdgeHost, EdgeHost]
    const staying = await openSessions(cluster, cluster.auth.mint(), { hosts: [surviving] })
    const soon = await openMany(cluster, { tokens: 20, lives: [3_000, 5_000] })
    const later = await openMany(cluster, { tokens: 20, lives: [SLEEP_MS_MAX + 4_000, SLEEP_MS_MAX + 6_000] })
    const jobsBefore = await surviving.metric('expiry_jobs_total', { result: 'expired' })
    const before = await endings(surviving)

    dying.program.kill('SIGKILL')
    const lost = [...soon, ...later].flatMap(({ clients }) => clients.slice(0, 1))
    for (const client of lost) expect(await client.closed).to.include({ code: 1006 })
    const [lateSoon, lateLater] = [soon, later].map((some) =>
      Promise.all(some.map(({ token, clients }) => latenessOf(clients[1]!, token))),
    )
    expectInTime('closed after expiry just after the kill, ms', await lateSoon!)
    const between = await endingsSince(surviving, before, 20)
    console.log(`      by ${JSON.stringify(between)}`)
    expect(between.queue + between.backstop).to.equal(20)

    const beforeLater = await endings(surviving)
    expectInTime('closed after expiry later on, ms', await lateLater!)
    expect(await endingsSince(surviving, beforeLater, 20)).to.deep.equal({ queue: 20, bus: 0, backstop: 0 })
    await waitFor(
      async () => (await surviving.metric('expiry_jobs_total', { result: 'expired' })) >= jobsBefore + 20,
      { what: 'jobs of the dead host to be taken' },
    )
    await expectAlive(staying)
  })
})

describe('the expiry of tokens, with clocks that are five minutes off', function () {
  this.timeout(120_000)
  const lives: readonly [number, number] = [4_000, 6_000]
  let cluster: Cluster
  let clock: HostClock

  before(async () => {
    clock = await HostClock.create()
    cluster = await Cluster.start({ name: 'token-expiry-clocks', edges: 0 })
    cluster.auth.set({ clockSkewMs: FIVE_MINUTES_MS })
    await Promise.all([cluster.startEdge(), cluster.startEdge({}, clock.env)])
  })

  after(() => cluster.stop())

  afterEach(() => cluster.auth.set({ clockSkewMs: 0 }))

  for (const [where, clockSkewMs] of [
    ['ahead', FIVE_MINUTES_MS],
    ['behind', -FIVE_MINUTES_MS],
  ] as const)
    it(`is right by the queue when wazo-auth's clock is ${where}`, async () => {
      cluster.auth.set({ clockSkewMs })
      await convinceWorkers(cluster)
      const before = await endings(cluster)
      const opened = await openMany(cluster, { tokens: 20, lives })
      const late = await Promise.all(
        opened.flatMap(({ token, clients }) =>
          clients.map((client) => latenessOf(client, token, clockSkewMs)),
        ),
      )
      expectInTime('closed after expiry, ms', late)
      expect(await endingsSince(cluster, before, 40)).to.deep.equal({ queue: 40, bus: 0, backstop: 0 })
    })

  for (const [where, aheadMs] of [
    ['ahead', FIVE_MINUTES_MS],
    ['behind', -FIVE_MINUTES_MS],
  ] as const)
    it(`is right on both hosts when the clock of one jumps and stays ${where}`, async () => {
      await convinceWorkers(cluster)
      const jobs = { tokens: 20, lives }
      const open = await openMany(cluster, jobs)
      // Due within the five minutes: for one of the hosts their time has come.
      const staying = await openMany(cluster, { tokens: 10, lives: [200_000, 250_000] })
      const before = await endings(cluster)
      const putBack = () => cluster.metric('expiry_jobs_total', { result: 'early' })
      const [putBackBefore, lookupsBefore] = [await putBack(), cluster.auth.requests().lookups]
      clock.set(aheadMs)
      open.push(...(await openMany(cluster, jobs)))
      staying.push(...(await openMany(cluster, { tokens: 10, lives: [200_000, 250_000] })))
      const late = await Promise.all(
        open.flatMap(({ token, clients }) => clients.map((client) => latenessOf(client, token))),
      )
      expectInTime('closed after expiry, ms', late)
      const came = await endingsSince(cluster, before, 80)
      const [putBackThen, lookups] = [await putBack(), cluster.auth.requests().lookups - lookupsBefore]
      console.log(
        `      by ${JSON.stringify(came)}; jobs put back: ${putBackThen - putBackBefore}; look-ups: ${lookups}`,
      )
      expect(came.queue + came.backstop).to.equal(80)
      const putBackMeanwhile = putBackThen - putBackBefore
      // Of 60 jobs; a loop puts them back a thousand times a second.
      expect(putBackMeanwhile).to.be.at.most(600)
      expect(putBackMeanwhile + came.backstop, 'signs of a clock that is off').to.be.at.least(1)
      // 60 for the sessions that were opened, and twice each of the 120 by a host that is misled until its clock is known.
      expect(lookups).to.be.at.most(60 + 240)
      await sleep(3_000)
      expect((await putBack()) - putBackThen, 'put back while nothing is due').to.be.at.most(20)
      const clients = staying.flatMap((each) => each.clients)
      await expectAlive(clients)
      await Promise.all(clients.map((client) => client.close()))
    })
})

function expectInTime(what: string, late: readonly number[]): void {
  const { min, max } = report(what, late)
  expect(min).to.be.at.least(0)
  expect(max).to.be.at.most(OUTLIVES_MS_MAX)
}

/** A session on each host for each of some tokens, whose lives are spread evenly. */
async function openMany(
  cluster: Cluster,
  { tokens, lives: [first, last] }: { tokens: number; lives: readonly [number, number] },
) {
  const minted = Array.from({ length: tokens }, (_, i) =>
    cluster.auth.mint({ expiresInMs: Math.round(first + ((last - first) * i) / (tokens - 1)) }),
  )
  return Promise.all(minted.map(async (token) => ({ token, clients: await openSessions(cluster, token) })))
}

/** Lets every worker see enough of wazo-auth's answers to believe its clock, and tell its primary. */
async function convinceWorkers(cluster: Cluster): Promise<void> {
  for (let i = 0; i < 3; i++) {
    const clients = await openSessions(cluster, cluster.auth.mint(), { perHost: 4 })
    await Promise.all(clients.map((client) => client.close()))
  }
  await sleep(1_500)
}
