import { expect } from 'chai'
import { keys } from '@wazo-websocketd/shared/redis/layout'
import { numbered, range, taken } from '../support/numbered.js'
import { Cluster, type EdgeHost } from '../support/cluster.js'
import { sleep, waitFor } from '../support/wait.mjs'
import { Load } from '../support/load.js'
import { Returning } from '../support/returning.js'

const PER_SECOND = 200
const TOKENS = 12
const ARRIVAL_MS_MAX = 30_000
const DRAIN_MS_MAX = 40_000
const FLAWLESS = { lost: 0, doubled: 0, disordered: 0 }

/** SIGTERM; resolves when the host is gone, with the milliseconds that it took. */
async function drain(cluster: Cluster, host: EdgeHost): Promise<number> {
  const begun = performance.now()
  host.program.kill('SIGTERM')
  await Promise.race([host.program.exit, sleep(DRAIN_MS_MAX)])
  const took = Math.round(performance.now() - begun)
  console.log(`      drained in ${took} ms`)
  expect((await host.program.exit).code).to.equal(0)
  cluster.edges.splice(cluster.edges.indexOf(host), 1)
  return took
}

/** Clients that come back, and events for all of them. */
class Crowd {
  readonly members: Returning[] = []
  private readonly cluster: Cluster

  constructor(cluster: Cluster) {
    this.cluster = cluster
  }

  /** Up to three sessions of each of some tokens, in both versions, on whatever workers of a host. */
  async join(host: () => EdgeHost, tokens = TOKENS): Promise<readonly Returning[]> {
    const starting: Promise<Returning>[] = []
    for (let i = 0; i < tokens; i++) {
      const { token } = this.cluster.auth.mint()
      for (let k = 0; k <= i % 3; k++)
        starting.push(Returning.start(this.cluster, { token, version: k === 2 ? 1 : 2, host }))
    }
    const joined = await Promise.all(starting)
    this.members.push(...joined)
    return joined
  }

  async back(): Promise<void> {
    await waitFor(() => this.members.every(({ connected }) => connected), {
      timeoutMs: ARRIVAL_MS_MAX,
      everyMs: 20,
      what: 'every client to be back',
    })
  }

  /** Waits until everybody has the last event; then what became of all events, and ends everybody. */
  async verdicts(sent: number): Promise<readonly object[]> {
    const all = () => this.members.every((each) => (each.look(), each.tally.reached >= sent))
    await waitFor(all, { timeoutMs: ARRIVAL_MS_MAX, everyMs: 20, what: 'the last event' }).catch(
      () => undefined,
    )
    await sleep(200) // for what should not come
    const verdicts = this.members.map((each) => each.verdict(sent))
    expect(this.members.flatMap(({ oddities }) => oddities)).to.deep.equal([])
    await Promise.all(this.members.map((each) => each.end()))
    return verdicts
  }
}

for (const partitions of [1, 3])
  describe(`resume after a drain, under ${PER_SECOND} events/s, partitions: ${partitions}`, function () {
    this.timeout(150_000)
    let cluster: Cluster

    before(async () => {
      cluster = await Cluster.start({ name: `resume-${partitions}`, config: { redis: { partitions } } })
    })

    after(() => cluster.stop())

    it('nothing is lost, doubled or out of order when one host after the other is replaced', async () => {
      const [first, second] = cluster.edges as [EdgeHost, EdgeHost]
      const crowd = new Crowd(cluster)
      let open: readonly EdgeHost[] = [first]
      let turn = 0
      const next = () => open[turn++ % open.length]!
      const moving = await crowd.join(next)
      // As behind a proxy: nobody is sent to a host that drains.
      let isInUse = true
      const staying = await crowd.join(() => (isInUse ? second : next()))
      const load = new Load(cluster.publisher, PER_SECOND)
      await sleep(1_000)

      await drain(cluster, first)
      const third = await cluster.startEdge()
      open = [third, second]
      await crowd.back()
      const codes = (members: readonly Returning[]) =>
        members.map(({ endings }) => endings.map(({ code }) => code))
      expect(codes(moving)).to.deep.equal(moving.map(() => [1012]))
      expect(codes(staying)).to.deep.equal(staying.map(() => []))

      open = [third]
      isInUse = false
      await drain(cluster, second)
      await crowd.back()
      await sleep(500)
      const sent = await load.stop()
      expect(await crowd.verdicts(sent)).to.deep.equal(crowd.members.map(() => FLAWLESS))
      expect(sent).to.be.above(PER_SECOND)
    })
  })

describe('resume after a drain, in particular', function () {
  this.timeout(120_000)
  let cluster: Cluster
  let stays: EdgeHost
  let leaves: EdgeHost
  /** Each test has events of its own. */
  let n = 1_000_000

  before(async () => {
    cluster = await Cluster.start({ name: 'resume-cases', edges: 1 })
    stays = cluster.edges[0]!
  })

  beforeEach(async () => {
    leaves = await cluster.startEdge()
    n += 1_000
  })

  afterEach(async () => {
    if (cluster.edges.includes(leaves)) await drain(cluster, leaves)
  })

  after(() => cluster.stop())

  const publish = async (first: number, last: number) => {
    await cluster.publisher.publish(...range(first, last).map((each) => numbered(each)))
    await seen(last)
  }

  /** Waits until the cluster has it. */
  async function seen(last: number): Promise<void> {
    const witness = await cluster.connect(cluster.auth.mint().token, {}, stays).start('mark')
    await cluster.publisher.publish(numbered(last, { name: 'mark' }))
    await witness.next()
    await witness.close()
  }

  /** A session that is drained after it got event n; then n + 1 to n + 3 are published. */
  async function drained(
    token: string,
    disturb: () => Promise<void> = () => Promise.resolve(),
  ): Promise<void> {
    const client = await cluster.connect(token, {}, leaves).start('numbered')
    await publish(n, n)
    await waitFor(() => client.waiting === 1, { what: 'the event before the drain' })
    await drain(cluster, leaves)
    expect((await client.closed).code).to.equal(1012)
    expect(taken(client)).to.deep.equal([n])
    await publish(n + 1, n + 3)
    await disturb()
  }

  /** What a session is sent until an event published now. */
  async function got(token: string, end = n + 9): Promise<(number | string)[]> {
    const client = await cluster.connect(token, {}, stays).start('numbered')
    await cluster.publisher.publish(numbered(end))
    const all: (number | string)[] = []
    const arrived = () => (all.push(...taken(client)), all.includes(end))
    await waitFor(arrived, { what: 'the event after the return' })
    await client.close()
    return all
  }

  it('a session gets what it missed, the next one nothing, and others nothing', async () => {
    const { token } = cluster.auth.mint()
    await drained(token)
    expect(await got(cluster.auth.mint().token, n + 8)).to.deep.equal([n + 8])
    expect(await got(token)).to.deep.equal([n + 1, n + 2, n + 3, n + 8, n + 9])
    expect(await got(token)).to.deep.equal([n + 9])
  })

  it('a client that closed by itself, or just broke off, gets nothing that is older than its new session', async () => {
    for (const end of ['close', 'terminate'] as const) {
      const { token } = cluster.auth.mint()
      const client = await cluster.connect(token, {}, leaves).start('numbered')
      if (end === 'close') await client.close()
      else client.socket.terminate()
      await publish(n + 1, n + 3)
      expect(await got(token)).to.deep.equal([n + 9])
    }
    await drain(cluster, leaves)
  })

  it('nothing reaches anybody whose token was deleted meanwhile', async () => {
    const minted = cluster.auth.mint()
    await drained(minted.token, () => cluster.deleteToken(minted))
    const client = cluster.connect(minted.token, {}, stays)
    client.send({ op: 'subscribe', data: { event_name: '*' } }).send({ op: 'start' })
    expect((await client.closed).code).to.equal(4002)
    expect(client.take()).to.deep.equal([])
  })

  it('nothing later than the deletion reaches one of whose token wazo-auth has not heard it', async () => {
    const minted = cluster.auth.mint()
    await drained(minted.token, async () => {
      await cluster.publisher.publishSessionDeleted(minted)
      await publish(n + 4, n + 5)
    })
    // A host that has just started has not heard of the deletion either.
    leaves = await cluster.startEdge()
    const client = await cluster.connect(minted.token, {}, leaves).start('numbered')
    expect((await client.closed).code).to.equal(4003)
    expect(taken(client)).to.deep.equal([n + 1, n + 2, n + 3])
  })

  it('a place from before the log begins is ignored as a whole', async () => {
    const outdated = () => stays.metric('resume_tickets_total', { result: 'outdated' })
    const before = await outdated()
    const { token } = cluster.auth.mint()
    await drained(token, async () => {
      const redis = cluster.openRedis()
      await redis.xtrim(keys('wazo-ws', 0).log, 'MAXLEN', 1)
      await redis.quit()
    })
    expect(await got(token)).to.deep.equal([n + 9])
    await waitFor(async () => (await outdated()) === before + 1, { what: 'it to be counted' })
  })

  it('a place of another epoch is ignored as a whole', async () => {
    const { token } = cluster.auth.mint()
    await drained(token, async () => {
      const redis = cluster.openRedis()
      await redis.hset(keys('wazo-ws', 0).meta, 'epoch', 'another')
      await redis.quit()
      const fresh = async () => {
        const client = cluster.connect(cluster.auth.mint().token, {}, stays)
        client.send({ op: 'start' })
        const ok = await client.next().then(
          () => client.next().then(() => true),
          () => false,
        )
        await client.close()
        return ok
      }
      await sleep(1_500)
      await waitFor(fresh, { timeoutMs: 20_000, everyMs: 200, what: 'the host to serve again' })
    })
    expect(await got(token)).to.deep.equal([n + 9])
  })

  it('a drain without Redis ends within some seconds, with 1012', async () => {
    const { token } = cluster.auth.mint()
    const client = await cluster.connect(token, {}, leaves).start('numbered')
    cluster.redis.pause()
    try {
      expect(await drain(cluster, leaves)).to.be.below(8_000)
      expect((await client.closed).code).to.equal(1012)
    } finally {
      cluster.redis.resume()
    }
  })

  it('sessions of one token on two hosts that are drained right after each other lose and double nothing', async () => {
    const other = await cluster.startEdge()
    const crowd = new Crowd(cluster)
    const { token } = cluster.auth.mint()
    for (const host of [leaves, leaves, other, other]) {
      let at = host
      const options = {
        token,
        version: 2,
        host: () => at,
        delay: () => 3_000 + Math.random() * 1_000,
      } as const
      crowd.members.push(await Returning.start(cluster, options))
      at = stays
    }
    const load = new Load(cluster.publisher, PER_SECOND, () => ({}))
    await sleep(500)
    const first = drain(cluster, leaves)
    await sleep(1_000)
    const second = drain(cluster, other)
    await Promise.all([first, second])
    await crowd.back()
    const sent = await load.stop()
    expect(await crowd.verdicts(sent)).to.deep.equal(crowd.members.map(() => FLAWLESS))
  })

  it('without drain.resume what was missed is missed: the tests above can fail', async () => {
    await drain(cluster, leaves)
    leaves = await cluster.startEdge({ drain: { resume: false } })
    const { token } = cluster.auth.mint()
    await drained(token)
    expect(await got(token)).to.deep.equal([n + 9])
  })
})
