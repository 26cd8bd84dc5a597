import { expect } from 'chai'
import type { Client } from '../support/client.js'
import { sessionDeleted } from '../support/publish.js'
import { sleep, waitFor } from '../support/wait.mjs'
import { Cluster, type EdgeHost } from '../support/cluster.js'
import { report } from '../support/figures.js'
import { numbered, range, taken } from '../support/numbered.js'
import { Wire } from '../support/wire.js'

const DELETED = 'auth_session_deleted'
const ENDED = { code: 4003, reason: 'authentication expired' }

for (const partitions of [1, 3]) {
  describe(`the deletion of a token, on a cluster of two hosts, partitions: ${partitions}`, function () {
    this.timeout(120_000)
    suite(partitions)
  })
}

function suite(partitions: number): void {
  let cluster: Cluster

  before(async () => {
    cluster = await Cluster.start({
      name: `token-deletion-${partitions}`,
      config: { redis: { partitions } },
    })
  })

  after(() => cluster.stop())

  /** Started sessions of one token, in both versions. */
  function open(token: string, count: number, edge?: EdgeHost): Promise<Client[]> {
    const versions = Array.from({ length: count }, (_, i) => (i % 4 < 2 ? 2 : 1))
    return Promise.all(versions.map((version) => cluster.connect(token, { version }, edge).start('*')))
  }

  /** Sessions that see all events of the tenant and stay, one on each host. */
  function openWitnesses(): Promise<Client[]> {
    const { token } = cluster.auth.mint({ admin: true })
    return Promise.all(cluster.edges.map((edge) => cluster.connect(token, {}, edge).start('*')))
  }

  it('closes all its sessions at once, and nothing published after it reaches them: 200 times', async () => {
    const RUNS = 200
    const witnesses = await openWitnesses()
    const times: number[] = []
    for (let run = 0; run < RUNS; run++) {
      const token = cluster.auth.mint()
      const clients = await open(token.token, 6)
      const silent = [cluster.connect(token.token), cluster.connect(token.token)]
      for (const client of silent) await client.next()
      const n = 10 * run
      // The deletion stands in a batch with what surrounds it, or begins one.
      if (run % 2 === 0) cluster.publisher.send(numbered(n))
      else await cluster.publisher.publish(numbered(n))
      cluster.auth.delete(token.token)
      const from = performance.now()
      const all = [...clients, ...silent]
      const ends = all.map((client) =>
        client.closed.then((closed) => ({ closed, after: performance.now() - from })),
      )
      cluster.publisher.send(sessionDeleted(token), ...range(n + 1, n + 5).map((each) => numbered(each)))
      const ended = await Promise.all(ends)
      for (const { closed } of ended) expect(closed).to.deep.equal(ENDED)
      times.push(Math.max(...ended.map(({ after }) => after)))
      for (const client of clients) expect(taken(client)).to.deep.equal([n, DELETED])
      for (const client of silent) expect(taken(client)).to.deep.equal([])
      for (const witness of witnesses) {
        await waitFor(() => witness.waiting >= 7, { what: 'a session that stays to get everything' })
        expect(taken(witness)).to.deep.equal([n, DELETED, ...range(n + 1, n + 5)])
      }
    }
    const figures = report('from the publication to the last close of 8 sessions, ms', times)
    expect(figures.n).to.equal(RUNS)
    expect(figures.p99).to.be.below(250)
    for (const edge of cluster.edges) {
      const counted = () => edge.metric('sessions_expired_total', { source: 'bus' })
      await waitFor(async () => (await counted()) === 4 * RUNS, { what: 'all to be counted' })
      expect(await edge.metric('sessions_expired_total')).to.equal(4 * RUNS)
    }
    await Promise.all(witnesses.map((witness) => witness.close()))
  })

  describe('while a host is cut off from Redis', () => {
    let wire: Wire
    let far: EdgeHost
    let workers: number

    before(async () => {
      wire = await Wire.to(cluster.redis.port)
      far = await cluster.startEdge({ redis: { url: `redis://127.0.0.1:${wire.port}` } })
      workers = await far.metric('workers_ready')
    })

    after(async () => {
      await far.program.stop('SIGTERM', 5_000)
      await wire.refuse()
    })

    const CUTS = [
      ['a connection that stalls for a second', 1_000, () => wire.hold()],
      ['connections that stall, old ones and new ones', 6_000, () => wire.hold()],
      ['connections that are half-open', 6_000, () => wire.cut()],
      ['connections that are refused', 6_000, () => wire.refuse()],
    ] as const
    for (const [what, forMs, cut] of CUTS) {
      it(`delivers nothing that follows, and closes within 1 s of healing: ${what}`, async () => {
        const counted = () => far.metric('sessions_expired_total', { source: 'bus' })
        const before = await counted()
        const ready = async () => (await far.metric('workers_ready')) === workers
        await waitFor(ready, { what: 'the host to serve again' })
        const token = cluster.auth.mint()
        const clients = await open(token.token, 8, far)
        const witnesses = await openWitnesses()
        await cluster.publisher.publish(numbered(1))
        for (const client of [...clients, ...witnesses])
          await waitFor(() => client.waiting === 1, { what: 'the event before the cut' })

        await cut()
        cluster.auth.delete(token.token)
        const after = range(3, 6).map((n) => numbered(n))
        await cluster.publisher.publish(numbered(2), sessionDeleted(token), ...after)
        const near = witnesses[0]!
        await waitFor(() => near.waiting === 7, { what: 'the other host to deliver everything' })
        await sleep(forMs)
        for (const client of clients) expect(taken(client)).to.deep.equal([1])

        const ends = clients.map((client) =>
          client.closed.then((closed) => ({ closed, at: performance.now() })),
        )
        const healed = performance.now()
        await wire.heal()
        const ended = await Promise.all(ends)
        for (const { closed } of ended) expect(closed).to.deep.equal(ENDED)
        for (const client of clients) expect(taken(client)).to.deep.equal([2, DELETED])
        const figures = report(
          'closed after healing, ms',
          ended.map(({ at }) => at - healed),
        )
        expect(figures.max).to.be.at.most(1_000)
        for (const witness of witnesses) {
          await waitFor(() => witness.waiting >= 7, { what: 'a session that stays to get everything' })
          expect(taken(witness)).to.deep.equal([1, 2, DELETED, ...range(3, 6)])
        }
        await waitFor(async () => (await counted()) === before + clients.length, { what: 'all counted' })
        expect(await far.metric('sessions_expired_total')).to.equal(await counted())
        await Promise.all(witnesses.map((witness) => witness.close()))
      })
    }
  })
}
