import { encodeBatch } from '@wazo-websocketd/shared/domain/envelope'
import { drainChannel } from '@wazo-websocketd/shared/redis/layout'
import { expect } from 'chai'
import { expiryNoticeChannel } from '@wazo-websocketd/edge/auth/expiry/notice'
import { startAuth } from '../support/auth.mjs'
import { connect, type Client } from '../support/client.js'
import { authSection } from '../support/config.js'
import { freePort } from '../support/port.mjs'
import { metric } from '../support/pages.js'
import { startProgram } from '../support/program.mjs'
import { startRedis } from '../support/redis.mjs'
import { waitFor } from '../support/wait.mjs'
import { event } from '../support/fakes/batches.js'
import { HandIngest, PREFIX } from './support/edge-bus.js'

const READY_MS_MAX = 40_000
/** The body of a sample event, which a session of version 1 gets as it is. */
const body = (offset: number): string => `{"offset":${offset}}`

/** An ingest of this version that can publish batches of the next one as well. */
class SkewedIngest extends HandIngest {
  async publishNext(): Promise<void> {
    const [prev, last] = [this.head, this.head + 1]
    const bytes = Buffer.from(encodeBatch({ epoch: this.epoch, prev, last, events: [event(last)] }))
    bytes[0] = 2
    await this.write(prev, last, bytes)
    this.head = last
  }
}

describe('an edge among programs of another version', function () {
  this.timeout(60_000)
  const closers: (() => unknown)[] = []
  let ingest: SkewedIngest
  let auth: Awaited<ReturnType<typeof startAuth>>
  let edge: Awaited<ReturnType<typeof startProgram>>
  let wsUrl: string
  let port: number

  before(async () => {
    const redis = await startRedis()
    closers.push(() => redis.stop())
    auth = await startAuth()
    closers.push(() => auth.stop())
    ingest = new SkewedIngest(redis.url)
    closers.push(() => ingest.stop())
    const wsPort = await freePort()
    port = await freePort()
    wsUrl = `ws://127.0.0.1:${wsPort}`
    edge = await startProgram('edge', {
      config: {
        process_workers: 1,
        auth: authSection(auth),
        redis: { url: redis.url, prefix: PREFIX },
        websocket: { listen: '127.0.0.1', port: wsPort },
        metrics: { listen: '127.0.0.1', edge_port: port, ingest_port: await freePort() },
      },
    })
    closers.push(() => edge.stop())
    await ingest.seed()
    ingest.beat()
    await edge.ready(port, READY_MS_MAX)
  })

  after(async () => {
    for (const close of closers.reverse()) await close()
  })

  const session = (): Promise<Client> =>
    connect(wsUrl, { token: auth.mint({ tenant: 'tenant' }).token, timeoutMs: 10_000 }).start('sample')

  async function missing(): Promise<string> {
    return (await fetch(`http://127.0.0.1:${port}/readyz`)).text()
  }

  const lines = (part: string): string[] =>
    edge
      .logs()
      .split('\n')
      .filter((line) => line.includes(part))

  it('tells its sessions of a batch of version 2 in the middle of the traffic, guesses nothing, and goes on after it', async () => {
    const clients = await Promise.all([session(), session()])
    await ingest.publish(2)
    for (const client of clients)
      expect([await client.nextText(), await client.nextText()]).to.deep.equal([body(1), body(2)])

    await ingest.publishNext()
    await ingest.publishNext()
    for (const client of clients) {
      expect(await client.closed).to.deep.equal({ code: 1011, reason: 'bus connection lost' })
      expect(client.take(), 'nothing of what cannot be read').to.deep.equal([])
    }
    expect(lines('message on the bus that this program cannot read'), 'once').to.have.length(1)
    expect(lines('cannot read')[0]).to.contain('envelope version 2: this program reads version 1')
    await waitFor(async () => (await metric(port, 'bus_unreadable_total')) >= 2, {
      timeoutMs: 10_000,
      everyMs: 200,
      what: 'the metric',
    })

    // The ingest goes on saying that it is up, in the version that is known: no session is let into the next gap.
    const state = 'partition 0: envelope version 2'
    await waitFor(async () => (await missing()).includes(state), { everyMs: 100, what: 'not to be ready' })
    await new Promise((resolve) => setTimeout(resolve, 2_500))
    expect(await missing()).to.contain(state)
    const early = connect(wsUrl, { token: auth.mint({ tenant: 'tenant' }).token })
    expect((await early.closed).code).to.equal(1013)

    await ingest.publish(1)
    await edge.ready(port)
    expect(lines('batches can be read again')).to.have.length(1)
    const later = await session()
    await ingest.publish(3)
    const got = [await later.nextText(), await later.nextText(), await later.nextText()]
    expect(got).to.deep.equal([body(6), body(7), body(8)])
    await later.silence(300)
    await later.close()
    expect(lines('continuity of events lost').length, 'no second loss').to.be.within(1, 2)
  })

  it('says so when it cannot read what workers of another version say, and its sessions stay', async () => {
    const client = await session()
    const before = await metric(port, 'bus_unreadable_total')
    await ingest.redis.publish(expiryNoticeChannel(PREFIX), `postponed ${'0'.repeat(64)}`)
    await ingest.redis.publish(drainChannel(PREFIX), '2 somebody')
    const what = 'message of another worker that this program cannot read'
    await waitFor(() => lines(what).length === 2, { what: 'two lines' })
    expect(lines(what)[0]).to.contain('"what":"notice"')
    expect(lines(what)[1]).to.contain('"what":"call"')
    await waitFor(async () => (await metric(port, 'bus_unreadable_total')) === before + 2, {
      timeoutMs: 10_000,
      everyMs: 200,
      what: 'both counted',
    })
    await ingest.publish(1)
    expect(await client.nextText()).to.equal(body(ingest.head))
    await client.close()
  })
})
