import { partitionOf } from '@wazo-websocketd/shared/domain/event'
import { expect } from 'chai'
import { DEFAULT_TENANT } from '../support/auth.mjs'
import type { Client } from '../support/client.js'
import { sleep, waitFor } from '../support/wait.mjs'
import { Cluster } from '../support/cluster.js'
import { numbered, taken } from '../support/numbered.js'

const SILENCE_GRACE_SECONDS = 4
const REDIS_GRACE_SECONDS = 3
const LOST = { code: 1011, reason: 'bus connection lost' }
/** Nobody else is of it, nor in its partition, so that no worker follows that yet. */
const LONELY = '00000000-0000-4000-8000-000000000003'

describe('a start into an outage, with three partitions', function () {
  this.timeout(60_000)
  let cluster: Cluster

  beforeEach(async () => {
    cluster = await Cluster.start({
      name: 'partitions-start',
      edges: 1,
      config: {
        redis: { partitions: 3, lost_grace: REDIS_GRACE_SECONDS },
        bus: { silence_grace: SILENCE_GRACE_SECONDS },
      },
    })
  })

  afterEach(() => cluster.stop())

  /** Authenticated, and no more. */
  async function waiting(tenant: string): Promise<Client> {
    const client = cluster.connect(cluster.auth.mint({ tenant }).token)
    expect(await client.next()).to.include({ op: 'init' })
    return client
  }

  const unready = async () => (await cluster.metric('workers_ready')) === 0

  /** Readiness may come and go while everybody comes back: who is turned away (1013) tries again, as clients do. */
  async function servesAgain(): Promise<void> {
    const { token } = cluster.auth.mint({ tenant: LONELY })
    const tryAgain = async (): Promise<Client | null> =>
      cluster
        .connect(token)
        .start('*')
        .catch(() => null)
    const client: unknown = await waitFor(tryAgain, {
      timeoutMs: 10_000,
      everyMs: 200,
      what: 'a session to start',
    })
    await cluster.publisher.publish(numbered(1, { tenant: LONELY }))
    expect(await (client as Client).next()).to.include({ op: 'event' })
  }

  it('ends with 1011 when no ingest has been heard of for too long, whether or not its partition is followed', async () => {
    const partitions = [DEFAULT_TENANT, LONELY].map((tenant) => partitionOf(tenant, 3))
    expect(partitions[1]).to.not.be.oneOf([0, partitions[0]])
    const started = await cluster.connect(cluster.auth.mint({ tenant: DEFAULT_TENANT }).token).start('*')
    const clients = [await waiting(LONELY), await waiting(LONELY)]
    cluster.ingests[0]!.kill('SIGSTOP')
    expect(await started.closed).to.deep.equal(LOST)
    await waitFor(unready, { what: 'the worker not to be ready' })
    await sleep(1_000)
    for (const client of clients) {
      client.send({ op: 'start' })
      expect(await client.closed).to.deep.equal(LOST)
      expect(taken(client)).to.deep.equal([])
    }
    cluster.ingests[0]!.kill('SIGCONT')
    await servesAgain()
  })

  it('is answered when Redis is back within the grace, and what is published after the reply arrives', async () => {
    const client = await waiting(LONELY)
    cluster.redis.pause()
    client.send({ op: 'subscribe', data: { event_name: '*' } }).send({ op: 'start' })
    await sleep(2_000)
    expect(taken(client)).to.deep.equal(['reply:subscribe'])
    cluster.redis.resume()
    expect(await client.next()).to.include({ op: 'start' })
    await cluster.publisher.publish(numbered(1, { tenant: LONELY }))
    await waitFor(() => client.waiting > 0, { what: 'the event' })
    expect(taken(client)).to.deep.equal([1])
  })

  it('ends with 1011 when Redis stays away for longer than the grace', async () => {
    const client = await waiting(LONELY)
    cluster.redis.pause()
    const from = performance.now()
    client.send({ op: 'start' })
    expect(await client.closed).to.deep.equal(LOST)
    expect(performance.now() - from).to.be.within(
      REDIS_GRACE_SECONDS * 1_000 - 100,
      REDIS_GRACE_SECONDS * 1_000 + 2_000,
    )
    await waitFor(unready, { timeoutMs: 10_000, what: 'the worker not to be ready' })
    cluster.redis.resume()
    await servesAgain()
  })
})
