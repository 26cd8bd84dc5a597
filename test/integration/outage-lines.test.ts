import { expect } from 'chai'
import { Cluster, type EdgeHost } from '../support/cluster.js'
import type { Client } from '../support/client.js'
import { freePort } from '../support/port.mjs'
import { startProgram, type Program } from '../support/program.mjs'
import { sharedRabbit } from '../support/rabbitmq.mjs'
import { startRedis } from '../support/redis.mjs'
import { sleep, waitFor } from '../support/wait.mjs'
import { CutProxy } from './support/cut-proxy.js'

/** As many as a large host has: what they meet alike the log has once. */
const WORKERS = 8
const ALONE = { redis: { prefix: 'alone' }, process_workers: 1, log_format: 'wazo' }
const LINES_MAX = 20
/** An outage is over when nothing has failed for so long; then its last line comes. */
const SETTLED_MS_MAX = 20_000
/** `LOG_LINES=1` prints the lines of each incident. */
const PRINT = process.env['LOG_LINES'] === '1'

interface Line {
  readonly msg: string
  readonly level: string
  readonly program: string
  readonly worker?: number
  readonly seconds?: number
  readonly clients?: number
  readonly [field: string]: unknown
}

describe('what the log says of an incident', function () {
  this.timeout(60_000)

  let cluster: Cluster
  let edge: EdgeHost
  let proxy: CutProxy
  let auth: CutProxy
  /** An edge without an ingest, and one on a port that is in use. */
  let waiting: Program
  let second: Program
  let token: string
  let steady: Client[] = []
  let knocking: NodeJS.Timeout
  /** Where the logs of the host's programs stood when the incident began. */
  let from: readonly number[] = []

  before(async function () {
    proxy = await CutProxy.start((await sharedRabbit()).port)
    const bus = { host: '127.0.0.1', port: proxy.port, hosts: null }
    cluster = await Cluster.start({
      name: 'outage-lines',
      workers: WORKERS,
      edges: 0,
      ingests: 0,
      config: { bus },
    })
    await cluster.startIngest()
    auth = await CutProxy.start(cluster.auth.port)
    edge = await cluster.startEdge({ auth: { port: auth.port } })
    const [port, adminPort] = [await freePort(), await freePort()]
    waiting = await startProgram('edge', { config: cluster.edgeConfig(port, adminPort, ALONE) })
    second = await startProgram('edge', { config: cluster.edgeConfig(edge.port, await freePort(), ALONE) })
  })
  after(async () => {
    clearInterval(knocking)
    await Promise.all([cluster.stop(), second.stop()])
    proxy.cut()
    auth.cut()
  })
  beforeEach(async () => {
    token = cluster.auth.mint().token
    steady = Array.from({ length: 3 }, () => cluster.connect(token))
    for (const client of steady) await client.next()
    from = programs().map((program) => program.logs().length)
  })
  afterEach(() => {
    clearInterval(knocking)
    for (const client of steady) client.socket.terminate()
  })

  const programs = (): Program[] => [edge.program, ...cluster.ingests]

  function linesOf(program: Program, begin = 0): Line[] {
    const texts = program.logs().slice(begin).split('\n')
    return texts.filter((text) => text.startsWith('{')).map((text) => JSON.parse(text) as Line)
  }

  /** Of the host since the incident began. */
  const lines = (): Line[] => programs().flatMap((program, i) => linesOf(program, from[i]))
  const having = (pattern: RegExp): Line[] => lines().filter(({ msg }) => pattern.test(msg))

  /** A client with a token of its own tries four times a second. */
  function knock(): void {
    knocking = setInterval(() => {
      const client = cluster.connect(cluster.auth.mint().token)
      client.socket.on('error', () => undefined)
      client.socket.on('message', () => client.socket.close())
    }, 250)
  }

  async function settled(pattern: RegExp, count: number): Promise<void> {
    await waitFor(() => having(pattern).length >= count, {
      timeoutMs: SETTLED_MS_MAX,
      what: `${count} lines like ${pattern}`,
    }).catch((error: unknown) => {
      throw new Error(`${String(error)}:\n${lines().map(short).join('\n')}`)
    })
    clearInterval(knocking)
    if (PRINT) console.log(lines().map(short).join('\n'))
  }

  /** Every line of the host but those of sessions that clients have closed. */
  function judge({ over, clients }: { over: RegExp; clients: boolean }): void {
    const all = lines().filter(({ msg, code }) => msg !== 'session ended' || code === 1011)
    expect(all.length, all.map(short).join('\n')).to.be.at.most(LINES_MAX)
    expect(all.map(({ msg }) => msg).join('\n')).to.not.match(/^[A-Z_]+$|isn't writeable/m)
    const ends = having(over)
    // A worker may have met no more than the last moment of it.
    expect(Math.max(...ends.map(({ seconds }) => seconds ?? 0))).to.be.within(1, 30)
    if (clients) expect(ends.reduce((sum, end) => sum + (end.clients ?? 0), 0)).to.be.at.least(5)
  }

  it('an edge has no ingest, and its port is in use', async () => {
    expect((await second.exit).code).to.equal(1)
    expect(second.logs()).to.match(/127\.0\.0\.1:\d+: in use by another program; change websocket\.listen/)
    expect(second.logs()).to.not.include('worker started')
    const count = (pattern: RegExp): number => (waiting.logs().match(pattern) ?? []).length
    await waitFor(() => count(/waiting for an ingest/g) > 0, { timeoutMs: 20_000, what: 'the line' })
    if (PRINT) console.log(waiting.logs())
    await sleep(2_000)
    expect(count(/waiting for an ingest/g)).to.equal(1)
    expect(waiting.logs()).to.match(
      /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} \[\d+\] \(ERROR\) \(wazo-websocketd-edge\): waiting for an ingest/m,
    )
    await waiting.stop()
  })

  it('Redis does not answer', async () => {
    knock()
    cluster.redis.pause()
    await sleep(5_000)
    cluster.redis.resume()
    await settled(/^Redis serves again/, 2)
    expect(having(/Redis at redis:\/\/127\.0\.0\.1:\d+ \(redis\.url\)/).length).to.be.at.least(2)
    judge({ over: /^Redis serves again/, clients: true })
  })

  it('Redis is down', async () => {
    knock()
    const { port } = cluster.redis
    await cluster.redis.kill()
    await sleep(3_000)
    cluster.redis = await startRedis({ port })
    await settled(/^Redis serves again/, 2)
    expect(having(/^nothing listens at Redis's address redis:.*\(redis\.url\)/).length).to.be.at.least(2)
    judge({ over: /^Redis serves again/, clients: true })
  })

  it('wazo-auth is down', async () => {
    knock()
    auth.cut()
    await sleep(4_000)
    expect(having(/^wazo-auth at/).length).to.be.within(1, WORKERS)
    for (const { msg } of having(/^wazo-auth at/))
      expect(msg).to.include(`wazo-auth at 127.0.0.1:${auth.port} (auth.host and auth.port)`)
    await auth.mend()
    await settled(/^wazo-auth answers again/, 1)
    judge({ over: /^wazo-auth answers again/, clients: true })
  })

  it('RabbitMQ is down', async () => {
    knock()
    proxy.cut()
    await sleep(6_000)
    await proxy.mend()
    await settled(/^RabbitMQ serves again/, 1)
    await settled(/^an ingest is up/, 1)
    expect(having(/^RabbitMQ at 127\.0\.0\.1:\d+ cannot be reached.*bus\.host/)).to.have.length(1)
    judge({ over: /^RabbitMQ serves again/, clients: false })
    expect(having(/^handshakes refused in 10 s/).length).to.be.within(1, WORKERS)
    const closed = having(/^session ended/).filter(({ code }) => code === 1011)
    expect(closed).to.have.length(steady.length)
    expect(closed[0]).to.include({
      reason: 'bus connection lost',
      address: '127.0.0.1',
      version: 2,
      events: 0,
    })
    expect(JSON.stringify(lines())).to.not.include(token)
  })

  it('workers die at every start', async () => {
    const killed = new Set<number>()
    const kills = setInterval(() => {
      for (const pid of edge.workerPids().slice(-1)) if (!killed.has(pid)) process.kill(pid, 'SIGKILL')
      for (const pid of edge.workerPids()) killed.add(pid)
    }, 20)
    await waitFor(() => having(/again and again: 4 times within a minute/).length > 0, {
      timeoutMs: 20_000,
      what: 'the line',
    })
    clearInterval(kills)
    if (PRINT) console.log(lines().map(short).join('\n'))
    expect(having(/^worker ended unexpectedly/).length).to.be.within(4, 2 * 4)
    expect(lines().length).to.be.at.most(LINES_MAX)
  })
})

function short({ msg, level, program, worker, time, ...fields }: Line): string {
  const rest = Object.entries(fields).filter(([name]) => name !== 'pid')
  const more = rest.map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(' ')
  return `${String(time).slice(11, 23)} ${level} ${program.slice(16)}${worker === undefined ? '' : ` ${worker}`}: ${msg} ${more}`
}
