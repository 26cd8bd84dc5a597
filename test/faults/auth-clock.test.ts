import { expect } from 'chai'
import { waitFor } from '../support/wait.mjs'
import { Cluster } from '../support/cluster.js'
import { expectAlive, latenessOf } from './support/endings.js'
import { report } from '../support/figures.js'

const OUTLIVES_MS_MAX = 2_000
/** Within the 3 s that a request may take. */
const SLOW_MS = 2_600
const TOKENS = 6

describe("wazo-auth's clock, when its answers tell little of it", function () {
  this.timeout(90_000)
  let cluster: Cluster

  beforeEach(async () => {
    cluster = await Cluster.start({ name: `auth-clock-${Date.now()}`, edges: 0 })
  })

  afterEach(() => cluster.stop())

  it('keeps the expiry within 2 s when every answer since the start has been slow, by the workers alone', async () => {
    cluster.auth.set({ delayMs: SLOW_MS })
    await cluster.startEdge()
    const tokens = Array.from({ length: TOKENS }, (_, i) =>
      cluster.auth.mint({ expiresInMs: 14_000 + 130 * i }),
    )
    const clients = await Promise.all(
      tokens.map(({ token }) => cluster.connect(token, { timeoutMs: 10_000 }).start('*')),
    )
    await cluster.redis.kill()
    const late = await Promise.all(clients.map((client, i) => latenessOf(client, tokens[i]!)))
    const { min, max } = report('closed after expiry, ms', late)
    expect(min).to.be.at.least(0)
    expect(max).to.be.at.most(OUTLIVES_MS_MAX)
  })

  it("ends no session by the clock of a proxy whose error pages come in wazo-auth's stead", async () => {
    await cluster.startEdge()
    const client = await cluster.connect(cluster.auth.mint({ expiresInMs: 120_000 }).token).start('*')
    const others = Array.from({ length: 4 }, () => cluster.auth.mint())
    cluster.auth.set({ mode: '500', clockSkewMs: 300_000 })
    const failed = () => cluster.metric('auth_requests_total', { result: 'server-error' })
    const refused = others.map(({ token }) => cluster.connect(token).closed)
    await waitFor(async () => (await failed()) > 10, { timeoutMs: 9_000, what: 'the error pages' })
    for (const { code } of await Promise.all(refused)) expect(code).to.equal(1013)
    await expectAlive([client])
    await client.close()
  })
})
