import { expect } from 'chai'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Client } from '../support/client.js'
import { Cluster } from '../support/cluster.js'
import { metric, portOf } from '../support/pages.js'
import { customEvent, type Publication } from '../support/publish.js'
import { sleep, waitFor } from '../support/wait.mjs'
import { TENANT } from './support/counters.js'
import { startProbe, type Probe } from './support/probe.js'

const PING_MS_MAX = 100
const NAIVE_MS_MIN = 1_000
/** Rounds in which pings may be slow. The machine may have been busy with something else: one quick round is proof. */
const SLOW_ROUNDS_MAX = 4
/** Pings of a worker without work; slower ones say that this machine is too busy to measure anything. */
const QUIET_PING_MS_MAX = 40
const PATIENCE_MS = 45_000
const BOMB = '#a#a#a#a#a#a!'
const PATTERNS_MAX = 5_000
const PATTERN_BYTES_MAX = 512
const MIB = 1_048_576

/** The pattern as one would write it down as a regular expression. */
const NAIVE = `/^${BOMB.replaceAll('#', '.*?')}$/`

/** Runs a script in a process of its own; whether it ended by itself within `ms`. */
async function endsWithin(ms: number, script: string): Promise<boolean> {
  const child = spawn(process.execPath, ['--eval', `console.log('begun');${script}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exit = once(child, 'exit')
  await once(child.stdout, 'data')
  const timer = setTimeout(() => child.kill('SIGKILL'), ms)
  const [code] = (await exit) as [number | null]
  clearTimeout(timer)
  return code === 0
}

describe('bombs', function () {
  this.timeout(120_000)
  let cluster: Cluster
  let probe: Probe
  let witness: Client
  const clients: Client[] = []
  let marker = 0

  before(async () => {
    // One worker: the session that pings shares it with those that are hit.
    cluster = await Cluster.start({ name: 'bomb', edges: 1, workers: 1 })
    probe = await startProbe(cluster.edges[0]!.url, cluster.auth.mint({ tenant: TENANT }).token)
    witness = await reader(['#'])
  })
  after(async () => {
    probe.stop()
    await Promise.all(clients.map((client) => client.close()))
    await cluster.stop()
  })

  /** A session that is subscribed to everything, with this ACL. */
  async function reader(acl: readonly string[]): Promise<Client> {
    const { token } = cluster.auth.mint({ tenant: TENANT, acl: ['websocketd', ...acl] })
    const client = cluster.connect(token, { version: 1, timeoutMs: 15_000 })
    clients.push(client)
    return client.start('*')
  }

  const event = (requiredAcl: string | null, data: unknown = null): Publication =>
    customEvent({ name: 'bomb', tenant: TENANT, everyone: true, requiredAcl, data })

  /** Publishes an event that every session gets, and resolves with what each has got before it. */
  async function settle(sessions: readonly Client[]): Promise<string[][]> {
    const text = `marker ${++marker}`
    await cluster.publisher.publish(event(null, text))
    return Promise.all(
      sessions.map(async (session) => {
        const before: string[] = []
        for (let got = await session.nextText(); !got.includes(text); got = await session.nextText())
          before.push(got)
        return before
      }),
    )
  }

  /** The longest ping while `work` is done. */
  async function longestPing(work: () => Promise<unknown>): Promise<number> {
    await probe.read()
    await work()
    await sleep(200)
    const { longest, pongs } = await probe.read()
    expect(pongs).to.be.at.least(1)
    return longest
  }

  /** Does `work` until the pings in the meantime were quick, or it is clear that they never are. */
  async function expectQuickPings(work: (round: number) => Promise<void>): Promise<void> {
    const slow: number[] = []
    for (const until = performance.now() + PATIENCE_MS; slow.length < SLOW_ROUNDS_MAX;) {
      while ((await longestPing(() => sleep(300))) > QUIET_PING_MS_MAX && performance.now() < until)
        await sleep(500)
      const longest = await longestPing(() => work(slow.length))
      if (longest < PING_MS_MAX) return
      slow.push(longest)
    }
    expect.fail(`longest ping of each round: ${slow.join(', ')} ms`)
  }

  it(`a naive regular expression needs more than ${NAIVE_MS_MIN} ms for the ACL bomb`, async () => {
    expect(await endsWithin(20_000, `${NAIVE}.test('${'a'.repeat(12)}')`), 'the control works').to.equal(true)
    expect(await endsWithin(NAIVE_MS_MIN, `${NAIVE}.test('${'a'.repeat(160)}')`)).to.equal(false)
  })

  it('an ACL bomb does not hold up the pings of other sessions, and matches nothing', async () => {
    const bombs = await Promise.all([
      reader([BOMB]),
      reader(Array.from({ length: 100 }, (_, i) => `${BOMB}${i}#`)),
      reader([`!${BOMB}`, '!#a#a#a#a#a#a', 'events.#']),
    ])
    await expectQuickPings(async (round) => {
      const events = Array.from({ length: 50 }, (_, i) => event(`${'a'.repeat(160)}${i + 50 * round}`))
      await cluster.publisher.publish(...events)
      const got = await settle([witness, ...bombs])
      expect(got.map((texts) => texts.length)).to.deep.equal([events.length, 0, 0, 0])
    })
  })

  it(`a token with ${PATTERNS_MAX} bombs of ${PATTERN_BYTES_MAX} bytes does not either`, async () => {
    const bomb = (i: number) => '#a'.repeat(PATTERN_BYTES_MAX / 2 - 4) + `#b${i}#`
    const acl = Array.from({ length: PATTERNS_MAX - 1 }, (_, i) => bomb(i))
    expect(Math.max(...acl.map((pattern) => pattern.length))).to.be.at.most(PATTERN_BYTES_MAX)
    const session = await reader(acl)
    await expectQuickPings(async (round) => {
      for (let i = 0; i < 5; i++) {
        await cluster.publisher.publish(event(`${'a'.repeat(1_000)}${i + 5 * round}`))
        const got = await settle([witness, session])
        expect(got.map((texts) => texts.length)).to.deep.equal([1, 0])
      }
    })
  })

  it('an event of 900 KiB is delivered, one of 3 MiB is dropped and counted, and pings stay quick', async () => {
    const dropped = () => metric(portOf(cluster.ingests[0]!), 'bus_messages_total', { result: 'too_big' })
    await expectQuickPings(async () => {
      const before = await dropped()
      const big = event(null, 'x'.repeat(900 * 1024))
      await cluster.publisher.publish(event(null, 'y'.repeat(3 * MIB)), big)
      const [got] = await settle([witness])
      expect(got).to.deep.equal([big.body.toString()])
      await waitFor(async () => (await dropped()) === before + 1, { what: 'the metric of dropped events' })
    })
  })
})
