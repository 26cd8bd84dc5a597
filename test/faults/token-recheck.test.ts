import { expect } from 'chai'
import type { Client } from '../support/client.js'
import { customEvent } from '../support/publish.js'
import { sleep } from '../support/wait.mjs'
import { Cluster, type EdgeHost, type Token } from '../support/cluster.js'
import { endings, endingsSince, latenessOf, openSessions } from './support/endings.js'
import { report, since } from '../support/figures.js'

const STATIC_INTERVAL_S = 3
/** For the request to wazo-auth, and for the machine. */
const CHECK_MS_MAX = 500
/** Tokens of 15 to 80 s are checked after so long. */
const DYNAMIC_CHECK_MS = 60_000
const DYNAMIC_LIFE_MS = 80_000
/** By then the queue and the backstop have rung for an expired token, and the next check was due. */
const OLD_TIMERS_MS = 3_500

describe('the re-check of tokens, on a cluster', function () {
  this.timeout(120_000)
  let cluster: Cluster
  /** Two of `static` and one of `dynamic` rule; tokens are each held on hosts of one kind. */
  let statics: EdgeHost[]
  let dynamic: EdgeHost
  let dynamics: ReturnType<typeof openDynamic>

  before(async () => {
    cluster = await Cluster.start({ name: 'token-recheck', edges: 0 })
    const overrides = { auth_check_strategy: 'static', auth_check_static_interval: STATIC_INTERVAL_S }
    const hosts = await Promise.all([
      cluster.startEdge(overrides),
      cluster.startEdge(overrides),
      cluster.startEdge(),
    ])
    statics = hosts.slice(0, 2)
    dynamic = hosts[2]
    // They take more than a minute: what the last test looks at goes on beside the others.
    dynamics = openDynamic()
  })

  after(() => cluster.stop())

  it('ends sessions of tokens deleted without a word within the static interval, told by the queue', async () => {
    const before = await Promise.all(statics.map(endings))
    const tokens = Array.from({ length: 20 }, () => cluster.auth.mint())
    const clients = await Promise.all(
      tokens.map(async (token, i) => (await openSessions(cluster, token, { hosts: [statics[i % 2]!] }))[0]!),
    )
    const kept = await openSessions(cluster, cluster.auth.mint(), { hosts: statics })
    const delays = await Promise.all(
      tokens.map(async (token, i) => {
        await sleep(2_000 + Math.random() * STATIC_INTERVAL_S * 1_000)
        await cluster.deleteToken(token, { event: false })
        const deletedAt = performance.now()
        expect(await clients[i]!.closed).to.deep.equal({ code: 4003, reason: 'authentication expired' })
        return performance.now() - deletedAt
      }),
    )
    const { max } = report('closed after deletion, ms', delays)
    expect(max).to.be.at.most(STATIC_INTERVAL_S * 1_000 + CHECK_MS_MAX)
    for (const [i, host] of statics.entries())
      expect(await endingsSince(host, before[i]!, 10)).to.deep.equal({ queue: 10, bus: 0, backstop: 0 })
    await Promise.all(kept.map((client) => client.close()))
  })

  it('keeps asking about a live token, once per interval and worker that holds it', async () => {
    const token = cluster.auth.mint()
    const clients = await openSessions(cluster, token, { hosts: statics })
    const asked = () => cluster.auth.requests().byToken[token.token] ?? 0
    const atFirst = asked()
    const times = 3
    await sleep(times * STATIC_INTERVAL_S * 1_000 + CHECK_MS_MAX)
    const checks = (asked() - atFirst) / clients.length
    expect(atFirst).to.equal(clients.length)
    // Each is counted from the one before, which took a moment.
    expect(checks).to.be.within(times - 1, times)
    await Promise.all(clients.map((client) => client.close()))
  })

  for (const event of [true, false])
    it(`leaves a session that has renewed its token alone when the old one is deleted ${event ? 'and the bus says so' : 'without a word'}`, async () => {
      const user = '5d1d7c0e-2f0b-4b52-8c55-2e9d6d0f9a10'
      const [old, next] = [cluster.auth.mint({ user, expiresInMs: 6_000 }), cluster.auth.mint({ user })]
      const renewing = await openSessions(cluster, old, { hosts: statics })
      const holding = await openSessions(cluster, old, { hosts: statics })
      for (const client of renewing)
        expect(await client.ask('token', { token: next.token })).to.include({ op: 'token', code: 0 })
      const deletedAt = performance.now()
      await cluster.deleteToken(old, { event })
      for (const client of holding) expect(await client.closed).to.include({ code: 4003 })
      report('closed those of the old token after its deletion, ms', [performance.now() - deletedAt])
      await expectPastExpiry(old, next, renewing)
    })

  it('leaves a session that has renewed its token alone when the old one expires', async () => {
    const [old, next] = [cluster.auth.mint({ expiresInMs: 4_000 }), cluster.auth.mint()]
    const renewing = await openSessions(cluster, old, { hosts: cluster.edges })
    const [holding] = await openSessions(cluster, old, { hosts: [statics[1]!] })
    for (const client of renewing)
      expect(await client.ask('token', { token: next.token })).to.include({ op: 'token', code: 0 })
    expect(await holding!.closed).to.include({ code: 4003 })
    expect(since(old.utc_expires_at)).to.be.within(0, 2_000)
    await expectPastExpiry(old, next, renewing)
  })

  it('looks first after 60 s at tokens of 80 s, by the dynamic rule, and then only at their expiry', async () => {
    const { deleted, live, closed, late } = dynamics
    const checked = report('closed those deleted right after connecting, ms', await closed)
    expect(checked.min).to.be.at.least(DYNAMIC_CHECK_MS - CHECK_MS_MAX)
    expect(checked.max).to.be.at.most(DYNAMIC_CHECK_MS + 2 * CHECK_MS_MAX)
    const expired = report('closed the others after their expiry, ms', await late)
    expect(expired.min).to.be.at.least(0)
    expect(expired.max).to.be.at.most(2_000)
    const { byToken } = cluster.auth.requests()
    for (const { token } of [...deleted, ...live])
      expect(byToken[token], 'look-ups: to connect, and after 60 s').to.equal(2)
    const none = { queue: 0, bus: 0, backstop: 0 }
    const ended = await endingsSince(dynamic, none, deleted.length + live.length)
    expect(ended).to.deep.equal({ ...none, queue: deleted.length + live.length })
  })

  /** Tokens that are deleted without a word as soon as they are connected, and others that live to their end. */
  function openDynamic() {
    const mint = () => cluster.auth.mint({ expiresInMs: DYNAMIC_LIFE_MS })
    const [deleted, live] = [Array.from({ length: 5 }, mint), Array.from({ length: 5 }, mint)]
    const open = async (token: Token) => (await openSessions(cluster, token, { hosts: [dynamic] }))[0]!
    const closed = Promise.all(
      deleted.map(async (token) => {
        const client = await open(token)
        const connectedAt = performance.now()
        await cluster.deleteToken(token, { event: false })
        expect(await client.closed).to.deep.equal({ code: 4003, reason: 'authentication expired' })
        return performance.now() - connectedAt
      }),
    )
    const late = Promise.all(live.map(async (token) => latenessOf(await open(token), token)))
    // Waited for by the last test only.
    for (const promise of [closed, late]) promise.catch(() => undefined)
    return { deleted, live, closed, late }
  }

  /** The sessions outlive `old` by more than any timer of it, and get what is meant for `next`. */
  async function expectPastExpiry(old: Token, next: Token, clients: readonly Client[]): Promise<void> {
    await sleep(OLD_TIMERS_MS - since(old.utc_expires_at))
    for (const client of clients) client.take()
    const { uuid, tenant_uuid } = next.metadata
    const event = { name: 'still_here', tenant: tenant_uuid, users: [uuid], requiredAcl: null }
    await cluster.publisher.publish(customEvent(event))
    for (const client of clients) {
      expect(await client.next()).to.have.nested.property('data.name', 'still_here')
      expect((await client.close()).code).to.equal(1000)
    }
  }
})
