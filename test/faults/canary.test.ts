import { expect } from 'chai'
import { connect, type Client, type Closed } from '../support/client.js'
import { customEvent } from '../support/publish.js'
import { waitFor } from '../support/wait.mjs'
import { Canaries, hashOf, percentEncoded } from './support/canaries.js'
import { Cluster, type EdgeHost } from '../support/cluster.js'
import { FORMS, makeDecoys, plant, PLACES, type Place } from './support/decoys.js'
import { ECHOES, EchoingAuth, type Echo } from './support/echoing-auth.js'
import { exchangeRaw, FRAMES, REQUESTS } from './support/malformed.js'
import { Monitor } from './support/monitor.js'
import { pages } from '../support/pages.js'
import { dumpRedis } from './support/redis-dump.js'
import { SecretSearch } from './support/secret-search.js'

/** What is kept of a program's log: a longer one would not be all of it. */
const LOG_CHARACTERS_MAX = 1 << 20
const RECHECK_S = 3
const AUTH_TOTAL_S = 2
const AUTH_TRY_S = 1
const PER_TOKEN = 2
const OUTAGE_LIFE_MS = 5_000
const CANARIES_MIN = 60

describe('tokens that must turn up nowhere, on a cluster of two hosts', function () {
  this.timeout(60_000)
  const decoys = makeDecoys()
  /** What the server has said to clients and to whoever else has asked: close reasons, answers to bad requests. */
  const answers: string[] = []
  let cluster: Cluster
  let front: EchoingAuth
  let monitor: Monitor
  let canaries: Canaries
  let edge: EdgeHost
  let search: SecretSearch
  let monitored: string
  let programLogs: string[]
  /** A token that has expired, and one that was checked. */
  const ended = { token: '', rechecked: '' }

  before(async () => {
    front = await EchoingAuth.start()
    cluster = await Cluster.start({
      name: 'canary',
      edges: 0,
      ingests: 0,
      config: {
        [decoys.log]: 'a key that no program knows: each names it in a warning',
        log_level: 'debug',
        auth: { port: front.port },
        auth_check_strategy: 'static',
        auth_check_static_interval: RECHECK_S,
        websocket: { allowed_origins: ['https://here.example'] },
        limits: {
          auth_total_seconds: AUTH_TOTAL_S,
          auth_try_seconds: AUTH_TRY_S,
          connections_per_token: PER_TOKEN,
        },
      },
    })
    front.standBefore(cluster.auth)
    monitor = await Monitor.start(cluster.redis.port)
    canaries = new Canaries(cluster)
    await Promise.all([cluster.startIngest(), cluster.startEdge(), cluster.startEdge()])
    edge = cluster.edges[0]!
  })

  after(async () => {
    monitor.stop()
    await cluster.stop()
    await front.stop()
  })

  it('lives: by query, by header, percent-encoded; events, re-checks, new tokens', async () => {
    const tokens = ['query', 'header', 'encoded'].map((way) => canaries.mint(way).token)
    const [query, header, encoded] = tokens as [string, string, string]
    const sessions = await Promise.all(
      [
        cluster.connect(query),
        connect(edge.url, { version: 2, headers: { 'X-Auth-Token': header } }),
        connect(edge.url, { query: `token=${percentEncoded(encoded)}&version=2` }),
      ].map((client) => client.start('*')),
    )
    await cluster.publisher.publish(customEvent({ name: 'foo', requiredAcl: null, everyone: true }))
    await waitFor(() => tokens.every((token) => lookups(token) >= 3), {
      timeoutMs: 15_000,
      what: 'two re-checks of each',
    })
    for (const session of sessions) {
      session.take()
      const { token } = canaries.mint('renewal')
      expect((await session.ask('token', { token }))['op']).to.equal('token')
    }
    await Promise.all(sessions.map((session) => session.close()))
    ended.rechecked = query
    await waitFor(async () => (await cluster.metric('expiry_jobs_total', { result: 're-check' })) >= 3)
    expect(tokens.map(lookups)).to.satisfy((times: number[]) => times.every((each) => each >= 3))
  })

  it('ends: by the queue, by the bus, without a word', async () => {
    // Before its first re-check by any clock, so that the end is the queue's however busy the machine is.
    const expiring = canaries.mint('expiring', { expiresInMs: RECHECK_S * 1_000 - 1_000 })
    const deleted = canaries.mint('deleted')
    const silent = canaries.mint('silent')
    const sessions = await Promise.all(
      [expiring, deleted, silent].map(({ token }) => cluster.connect(token).start('*')),
    )
    ended.token = expiring.token
    await cluster.deleteToken(deleted)
    await cluster.deleteToken(silent, { event: false })
    for (const { code, reason } of await endings(sessions))
      expect([code, reason]).to.deep.equal([4003, 'authentication expired'])
  })

  it('is asked about in vain, at connect, re-check and renewal, however wazo-auth fails', async () => {
    const outages = await Promise.all(ECHOES.map(async (echo) => [echo, await outage(echo)] as const))
    for (const [echo, codes] of outages) expect([echo, ...codes]).to.deep.equal([echo, 1013, 1013, 4003])
  })

  it('is refused: unknown, without the right, misspelt, too often, with too large an ACL', async () => {
    const unknown = canaries.unknown('unknown')
    const without = canaries.mint('forbidden', { acl: ['foo'] }).token
    const misspelt = ['"\\', '%2F?scope=', 'é€', '\n', 'x'.repeat(200)].map(
      (end) => canaries.unknown('bad') + end,
    )
    const big = canaries.mint('big', { acl: ['websocketd', canaries.unknown('acl').repeat(20)] }).token
    const refused = [unknown, without, ...misspelt].map((token) => cluster.connect(token))
    for (const { code } of await endings([
      ...refused,
      await renewalTo(unknown),
      await renewalTo(misspelt[0]!),
    ]))
      expect(code).to.equal(4002)
    expect((await endings([cluster.connect(big)]))[0]?.code).to.equal(1008)
    const popular = canaries.mint('popular').token
    const many = Array.from({ length: 3 * PER_TOKEN }, () => cluster.connect(popular, {}, edge))
    const full = await Promise.race(many.map(({ closed }) => closed))
    expect([full.code, full.reason]).to.deep.equal([1008, 'too many connections per token'])
    for (const { socket } of many) socket.terminate()
  })

  for (const [what, { request, answer }] of Object.entries(REQUESTS))
    it(`is in a bad request: ${what}`, async () => {
      const token = canaries.mint('request').token
      const said = await exchangeRaw(Number(new URL(edge.url).port), request(token))
      answers.push(said)
      expect(said).to.match(answer)
    })

  it('is in a bad version, or in a request to the port of the metrics', async () => {
    const token = canaries.mint('version').token
    for (const version of [token, `1?token=${token}`]) {
      const [end] = await endings([cluster.connect(token, { version })])
      expect(end?.code).to.equal(4004)
    }
    for (const path of [`/${token}`, `/metrics/${token}`, `/readyz?token=${token}`]) {
      const said = await exchangeRaw(edge.adminPort, `GET ${path} HTTP/1.0\r\nX-Auth-Token: ${token}\r\n\r\n`)
      answers.push(said)
      expect(said).to.match(/^HTTP\/1.1 (404|200)/)
    }
  })

  for (const [what, { send, code }] of Object.entries(FRAMES))
    it(`is in a bad frame: ${what}`, async () => {
      const session = await cluster.connect(canaries.mint('sender').token).start('*')
      send(session, canaries.mint('frame').token)
      expect((await endings([session]))[0]?.code).to.equal(code)
    })

  describe('afterwards', () => {
    before(async () => {
      const redis = cluster.openRedis()
      await plant(decoys, redis, cluster.redis.port)
      const last = await cluster.connect(canaries.mint('drained').token).start('*')
      const metrics = await pages(cluster, '/metrics')
      const readyz = await pages(cluster, '/readyz')
      const dump = [...(await dumpRedis(redis))].map((entry) => entry.join(' ')).join('\n')
      redis.disconnect()
      const programs = [...cluster.edges.map(({ program }) => program), ...cluster.ingests]
      await Promise.all(programs.map((program) => program.stop()))
      expect((await endings([last]))[0]?.code).to.equal(1012)
      monitored = await monitor.text()
      programLogs = programs.map((program) => program.logs())
      search = new SecretSearch(
        new Map([
          ['redis', dump],
          ['monitor', monitored],
          ['logs', programLogs.join('\n')],
          ['metrics', `${metrics}planted{token="${decoys.metrics}"} 1\n`],
          ['readyz', `${readyz}planted: ${decoys.readyz}\n`],
          ['answers', `${answers.join('\n')}\n${decoys.answers}`],
        ]),
      )
    })

    it('no canary is in Redis, in what it was told, in logs, metrics, health or answers', () => {
      expect(canaries.secrets.size).to.be.above(CANARIES_MIN)
      expect(search.findAll(canaries.secrets)).to.deep.equal([])
    })

    it('neither are the credentials of the service and its own tokens', () => {
      const { serviceId, serviceKey } = cluster.auth
      // One worker of each host asks, and tells the others.
      expect(front.serviceTokens.length).to.be.at.least(cluster.edges.length)
      const secrets = [serviceKey, `${serviceId}:${serviceKey}`, ...front.serviceTokens]
      expect(search.findAll(secrets)).to.deep.equal([])
    })

    it('MONITOR has seen the expiry of tokens, under their SHA-256, and the logs tell of it', () => {
      const [expired, rechecked] = [hashOf(ended.token), hashOf(ended.rechecked)]
      expect(search.find(`t${expired}`)).to.include('monitor (read)')
      expect(search.find(`expired ${expired}`)).to.include('monitor (read)')
      expect(search.find(`re-check ${rechecked}`)).to.include('monitor (read)')
      expect(search.find(expired.slice(0, 8))).to.include('logs (read)')
      expect(programLogs.join()).to.include('"level":"debug"')
    })

    it('the recordings are whole', () => {
      for (const log of programLogs) expect(log.length).to.be.within(1, LOG_CHARACTERS_MAX - 1)
      expect(monitored).to.match(/^\+OK\r\n/)
      expect(search.find(`"publish" "planted" "${decoys.published}"`)).to.deep.equal(['monitor (read)'])
    })

    for (const [place, where] of Object.entries(PLACES))
      it(`a decoy is found: ${place}`, () => {
        expect(search.find(decoys[place as Place])).to.deep.equal(where)
      })

    for (const [form, write] of Object.entries(FORMS))
      it(`a decoy is found ${form}`, () => {
        const text = new SecretSearch(new Map([['text', `before ${write(decoys.key)} after`]]))
        expect(text.find(decoys.key)).to.have.length.above(0)
        expect(text.find(decoys.value)).to.deep.equal([])
      })
  })

  /** Fails for a token at connect, for one at its re-check and for one that a session changes to; gives the codes. */
  async function outage(echo: Echo): Promise<number[]> {
    const atConnect = canaries.mint('outage-connect').token
    const atRenewal = canaries.mint('outage-renewal').token
    const atRecheck = canaries.mint('outage-recheck', { expiresInMs: OUTAGE_LIFE_MS }).token
    const kept = await cluster.connect(atRecheck).start('*')
    const renewing = await cluster.connect(canaries.mint('outage-old').token).start('*')
    for (const token of [atConnect, atRecheck, atRenewal]) front.failFor(token, echo)
    renewing.send({ op: 'token', data: { token: atRenewal } })
    const ends = await endings([cluster.connect(atConnect), renewing, kept])
    for (const token of [atConnect, atRecheck, atRenewal]) expect(front.failed(token), echo).to.be.above(0)
    return ends.map(({ code }) => code)
  }

  /** The close frames of sessions, which are among the answers. */
  async function endings(clients: readonly Client[]): Promise<Closed[]> {
    const ends = await Promise.all(clients.map(({ closed }) => closed))
    // An unknown op is quoted back, to the client that made it up.
    answers.push(...ends.map(({ reason }) => reason.replace(/^(unknown op: ).*/, '$1')))
    return ends
  }

  async function renewalTo(token: string): Promise<Client> {
    const session = await cluster.connect(canaries.mint('old').token).start()
    return session.send({ op: 'token', data: { token } })
  }

  function lookups(token: string): number {
    return cluster.auth.requests().byToken[token] ?? 0
  }
})
