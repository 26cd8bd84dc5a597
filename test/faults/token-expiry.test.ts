import { expect } from 'chai'
import type { Client } from '../support/client.js'
import { waitFor } from '../support/wait.mjs'
import { Cluster, type Token } from './support/cluster.js'
import { report, since } from './support/figures.js'

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
    const figures = report('closed after expiry, ms', await Promise.all(late))
    expect(figures.min).to.be.at.least(0)
    expect(figures.max).to.be.at.most(2_000)
    await waitFor(async () => (await cluster.metric('sessions_expired_total')) === 1_000, {
      what: 'all counted',
    })
    expect(await cluster.metric('sessions_expired_total', { source: 'queue' })).to.equal(1_000)
    expect(await cluster.metric('sessions_expired_total', { source: 'backstop' })).to.equal(0)
    expect(await cluster.metric('sessions_expired_total', { source: 'bus' })).to.equal(0)
    for (const client of staying) expect((await client.ask('ping', { payload: 1 }))['op']).to.equal('pong')
    await Promise.all(staying.map((client) => client.close()))
  })
})

/** Milliseconds from the expiry of its token to the end of a session, as the client saw it. */
async function latenessOf(client: Client, token: Token): Promise<number> {
  const { code, reason } = await client.closed
  expect([code, reason]).to.deep.equal([4003, 'authentication expired'])
  return since(token.utc_expires_at)
}
