import { expect } from 'chai'
import type { Client } from '../support/client.js'
import { sessionDeleted } from '../support/publish.js'
import { sleep, waitFor } from '../support/wait.mjs'
import { Cluster, type Token } from '../support/cluster.js'
import { endings, endingsSince, expectAlive, latenessOf } from './support/endings.js'
import { report } from '../support/figures.js'
import { numbered, range, taken } from '../support/numbered.js'

const REPLY = { op: 'token', code: 0, data: null }
const FAILED = { code: 4002, reason: 'authentication failed' }
const TRY_AGAIN = { code: 1013, reason: 'try again later' }
const DELETED = 'auth_session_deleted'
/** `limits.auth_total_seconds` */
const DEADLINE_MS = 8_000
const SLACK_MS = 1_000
const OLD = { requiredAcl: 'old.thing' }
const NEW = { requiredAcl: 'new.thing' }

describe('the op token, on a cluster of two hosts', function () {
  this.timeout(60_000)
  let cluster: Cluster

  before(async () => {
    cluster = await Cluster.start({ name: 'token-renewal' })
  })

  afterEach(() => cluster.auth.reset())

  after(() => cluster.stop())

  function mintOld(expiresInMs = 7_200_000): Token {
    return cluster.auth.mint({ acl: ['websocketd', 'old.#', 'events.#'], expiresInMs })
  }

  function mintNew(expiresInMs = 7_200_000): Token {
    return cluster.auth.mint({ acl: ['websocketd', 'new.#', 'events.#'], expiresInMs })
  }

  function start({ token }: Token, version: 1 | 2 = 2): Promise<Client> {
    return cluster.connect(token, { version }).start('*')
  }

  function renew(client: Client, token: string): void {
    client.send({ op: 'token', data: { token } })
  }

  /** Waits until wazo-auth has been asked about a token and has not answered yet. */
  async function asked(token: string): Promise<void> {
    await waitFor(() => cluster.auth.requests().byToken[token], { everyMs: 5, what: 'wazo-auth to be asked' })
  }

  async function got(client: Client, count: number): Promise<(number | string)[]> {
    await waitFor(() => client.waiting >= count, { what: `${count} messages` })
    return taken(client)
  }

  it('changes the rights at once: 100 renewals, the events right after the reply', async () => {
    for (let run = 0; run < 100; run++) {
      const [old, fresh] = [mintOld(), mintNew()]
      const client = await start(old, run % 4 < 2 ? 2 : 1)
      const [oldUser, newUser] = [old, fresh].map(({ metadata }) => ({
        everyone: false,
        users: [metadata.uuid],
      }))
      const events = (n: number) => [
        numbered(n, OLD),
        numbered(n + 1, NEW),
        numbered(n + 2, oldUser),
        numbered(n + 3, newUser),
        numbered(n + 4),
      ]
      await cluster.publisher.publish(...events(1))
      expect(await got(client, 3)).to.deep.equal([1, 3, 5])
      renew(client, fresh.token)
      // Version 1 is told nothing after `start`; the pong comes in its turn.
      if (run % 4 < 2) expect(await client.next()).to.deep.equal(REPLY)
      else expect((await client.ask('ping', { payload: run }))['op']).to.equal('pong')
      await cluster.publisher.publish(...events(11))
      expect(await got(client, 3)).to.deep.equal([12, 14, 15])
      await client.close()
    }
  })

  it('moves the deadline: a session outlives its old token and ends with the new one, by the queue', async () => {
    const before = await endings(cluster)
    const late: Promise<number>[] = []
    const longer: Client[] = []
    for (let i = 0; i < 10; i++) {
      // Half of them get a shorter life than they had.
      const old = mintOld(i % 2 === 0 ? 3_000 : 60_000)
      const fresh = mintNew(i % 2 === 0 ? 10_000 : 3_000)
      const client = await start(old)
      expect(await client.ask('token', { token: fresh.token })).to.deep.equal(REPLY)
      late.push(latenessOf(client, fresh))
      if (i % 2 === 0) longer.push(client)
    }
    await sleep(6_000)
    // The old tokens have been over for 2 s and more.
    await expectAlive(longer)
    const figures = report('closed after the expiry of the new token, ms', await Promise.all(late))
    expect(figures.min).to.be.at.least(0)
    expect(figures.max).to.be.at.most(2_000)
    const came = await endingsSince(cluster, before, 10)
    expect(came).to.deep.equal({ queue: 10, bus: 0, backstop: 0 })
  })

  it('closes with 4002 for a token that is unknown, expired, malformed or without the ACL', async () => {
    const old = mintOld()
    const other = await start(old)
    const bad = [
      'unknown',
      'no such/token',
      cluster.auth.mint({ expiresInMs: -1_000 }).token,
      cluster.auth.mint({ acl: ['other'] }).token,
    ]
    for (const token of bad) {
      const client = await start(old)
      renew(client, token)
      expect(await client.closed).to.deep.equal(FAILED)
      expect(client.take()).to.deep.equal([])
    }
    await expectAlive([other])
    await other.close()
  })

  for (const mode of ['down', 'slow'] as const) {
    it(`lives on by the old token until the deadline when there is no verdict, then 1013: wazo-auth ${mode}`, async () => {
      const clients = await Promise.all(Array.from({ length: 4 }, () => start(mintOld())))
      const expiring = mintOld(5_000)
      const ending = await Promise.all([start(expiring), start(expiring)])
      cluster.auth.set({ mode })
      const fresh = mintNew()
      const from = performance.now()
      const ends = clients.map((client) =>
        client.closed.then((closed) => ({ closed, after: performance.now() - from })),
      )
      const late = ending.map((client) => latenessOf(client, expiring))
      for (const client of [...clients, ...ending]) renew(client, fresh.token)
      const published: number[] = []
      // A try that would begin after the deadline is not waited for: the close may come a second before it.
      while (performance.now() - from < DEADLINE_MS - 1_500) {
        const n = 10 * published.length
        published.push(n)
        await cluster.publisher.publish(numbered(n, OLD), numbered(n + 1, NEW))
        await sleep(100)
      }
      for (const client of clients) expect(await got(client, published.length)).to.deep.equal(published)
      // Its own expiry is not put off by a renewal without a verdict.
      for (const ms of await Promise.all(late)) expect(ms).to.be.within(0, 2_000)
      for (const client of ending) {
        const events = taken(client)
        expect(events.length).to.be.greaterThan(10)
        expect(events).to.deep.equal(published.slice(0, events.length))
      }
      const ended = await Promise.all(ends)
      for (const { closed } of ended) expect(closed).to.deep.equal(TRY_AGAIN)
      const figures = report(
        'closed after the op, ms',
        ended.map(({ after }) => after),
      )
      expect(figures.max).to.be.below(DEADLINE_MS + SLACK_MS)
    })
  }

  it('lets a deletion of the old token wait for the verdict: what was missed comes once and in order', async () => {
    const witness = await start(mintOld())
    const staying = Array.from({ length: 12 }, () => ({ old: mintOld(), fresh: mintNew() }))
    const clients = await Promise.all(staying.map(({ old }) => start(old)))
    const leaving = Array.from({ length: 4 }, (_, i) => ({ old: mintOld(), fresh: `unknown-${i}` }))
    const goners = await Promise.all(leaving.map(({ old }) => start(old)))

    cluster.auth.set({ delayMs: 2_500 })
    for (const [i, client] of clients.entries()) renew(client, staying[i]!.fresh.token)
    for (const [i, client] of goners.entries()) renew(client, leaving[i]!.fresh)
    for (const { fresh } of staying) await asked(fresh.token)
    for (const { fresh } of leaving) await asked(fresh)
    for (const { old } of [...staying, ...leaving]) cluster.auth.delete(old.token)
    const deletions = [...staying, ...leaving].map(({ old }) => sessionDeleted(old))
    // In one go, so that some of what follows stands in the batch of the deletion.
    await cluster.publisher.publish(
      numbered(1),
      numbered(2, OLD),
      ...deletions,
      numbered(3),
      numbered(4, OLD),
      numbered(5, NEW),
    )
    for (const client of [...clients, ...goners])
      await waitFor(() => client.waiting >= 3, { what: 'what came before the deletion' })
    await sleep(200)
    for (const client of [...clients, ...goners]) expect(taken(client)).to.deep.equal([1, 2, DELETED])

    // On and on, past the verdict.
    let n = 5
    const end = Date.now() + 4_000
    while (Date.now() < end) {
      cluster.publisher.send(numbered(++n))
      if (n % 10 === 0) await sleep(20)
    }
    await cluster.publisher.flush()
    for (const client of goners) {
      expect(await client.closed).to.deep.equal(FAILED)
      expect(taken(client)).to.deep.equal([])
    }
    const missed = ['reply:token', 3, 5, ...range(6, n)]
    for (const client of clients) expect(await got(client, missed.length)).to.deep.equal(missed)
    expect(await got(witness, n - 1)).to.deep.equal([1, 2, 3, 4, ...range(6, n)])
    console.log(`      published across the verdict: ${n} events`)

    cluster.auth.reset()
    // wazo-auth says it again, up to a minute after the expiry: by then it is about nobody.
    await cluster.publisher.publish(...staying.map(({ old }) => sessionDeleted(old)), numbered(n + 1))
    for (const client of clients) expect(await got(client, 1)).to.deep.equal([n + 1])
    const last = staying.map(({ fresh }) => sessionDeleted(fresh))
    await cluster.publisher.publish(...last, numbered(n + 2))
    for (const client of clients) {
      expect(await client.closed).to.deep.equal({ code: 4003, reason: 'authentication expired' })
      expect(taken(client)).to.deep.equal([DELETED])
    }
    await witness.close()
  })

  it('delivers nothing after the deletion of the old token when no verdict comes, and closes with 1013', async () => {
    const old = mintOld()
    const client = await start(old)
    cluster.auth.set({ mode: 'down' })
    const from = performance.now()
    renew(client, mintNew().token)
    await sleep(1_000)
    await cluster.publisher.publish(numbered(1), sessionDeleted(old), ...range(2, 5).map((n) => numbered(n)))
    expect(await client.closed).to.deep.equal(TRY_AGAIN)
    expect(performance.now() - from).to.be.below(DEADLINE_MS + SLACK_MS)
    expect(taken(client)).to.deep.equal([1, DELETED])
  })
})
