import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { hashTag, hashToken } from '@wazo-websocketd/shared/runtime/token-hash'
import { expect } from 'chai'
import type { Client } from '../support/client.js'
import { Cluster } from '../support/cluster.js'
import { configFileOf, runCtl, type CtlOptions } from '../support/ctl.js'
import { customEvent, type EventSpec } from '../support/publish.js'
import { temporaryDirectory } from '../support/guard.mjs'
import { waitFor } from '../support/wait.mjs'

const TENANT = '11111111-1111-4111-8111-111111111111'
const tag = (token: string) => hashTag(hashToken(token))

describe('wazo-websocketd-ctl on a running host', function () {
  this.timeout(120_000)
  let cluster: Cluster
  let socket: string
  let configFile: string
  const said: string[] = []
  const tokens: string[] = []

  before(async () => {
    socket = join(await temporaryDirectory('ctl'), 'edge.sock')
    cluster = await Cluster.start({ name: 'ctl', edges: 1, config: { admin: { socket } } })
    // The file of the edge does not have the port of the ingest: one for both, as on a host.
    configFile = configFileOf(cluster.edges[0]!.program)
    const ingest = JSON.parse(await readFile(configFileOf(cluster.ingests[0]!), 'utf8')) as {
      metrics: { ingest_port: number }
    }
    const config = JSON.parse(await readFile(configFile, 'utf8')) as { metrics: object }
    Object.assign(config.metrics, { ingest_port: ingest.metrics.ingest_port })
    await writeFile(configFile, JSON.stringify(config))
  })
  after(async () => {
    await cluster.stop()
    expect(existsSync(socket), 'the socket is left').to.equal(false)
  })

  async function ctl(args: readonly string[], options: CtlOptions = {}) {
    const run = await runCtl(args, { configFile, ...options })
    said.push(run.out, run.err)
    return run
  }
  async function json<T>(args: readonly string[]): Promise<T> {
    const { out, err } = await ctl([...args, '--json'])
    try {
      return JSON.parse(out) as T
    } catch {
      throw new Error(`no JSON: ${out}${err}`)
    }
  }
  function mint(over: Parameters<Cluster['auth']['mint']>[0] = {}) {
    const minted = cluster.auth.mint({ tenant: TENANT, ...over })
    tokens.push(minted.token)
    return minted
  }
  const event = (name: string, over: Partial<EventSpec> = {}) =>
    cluster.publisher.publish(
      customEvent({ name, tenant: TENANT, everyone: true, requiredAcl: null, ...over }),
    )

  interface Row {
    readonly token: string
    readonly since: string
    readonly sentEvents: number
    readonly subscriptions: readonly string[]
    readonly lastPongSeconds: number | null
  }
  const rows = (...filter: string[]) =>
    json<{ sessions: Row[]; matched: number; unanswered: number[] }>(['sessions', ...filter])

  it('status shows edge, workers, ingest and all hosts', async () => {
    const { status, out } = await ctl(['status'])
    expect(status, out).to.equal(0)
    expect(out).to.match(/^edge here: .* ready, 0 sessions$/m)
    expect(out.match(/^ {2}worker \d, pid/gm)).to.have.length(2)
    expect(out).to.match(/^ingest here: .* up, publishes, lag \d+ ms/m)
    expect(out)
      .to.match(/127\.0\.0\.1: 2 edge workers/)
      .and.match(/127\.0\.0\.1: 1 ingest,/)
    const report = await json<{ edge: { workers: { status: { masterTenant: string } }[] } }>(['status'])
    expect(report.edge.workers[0]!.status.masterTenant).to.equal(cluster.auth.masterTenant)
  })

  it('sessions shows who is connected, and what each was sent', async () => {
    const [a, b] = [mint({ user: 'user-a' }), mint({ user: 'user-b', tenant: `${TENANT}x` })]
    const client = await cluster.connect(a.token).start('foo')
    await cluster.connect(b.token).start('*')
    await event('foo')
    await client.next()
    const all = await rows()
    expect(all).to.include({ matched: 2 }).and.deep.include({ unanswered: [] })
    const mine = await rows('--user', 'user-a')
    expect(mine.sessions).to.have.length(1)
    expect(mine.sessions[0]).to.deep.include({ token: tag(a.token), sentEvents: 1, subscriptions: ['foo'] })
    for (const filter of [
      ['--tenant', `${TENANT}x`],
      ['--token-hash', tag(b.token)],
      ['--limit', '1'],
    ])
      expect((await rows(...filter)).sessions, filter.join(' ')).to.have.length(1)
    expect((await rows('--slow')).matched).to.equal(0)
    const { out } = await ctl(['sessions', '--token-hash', tag(a.token)])
    expect(out).to.include('user-a').and.include('1 of 1 sessions')
  })

  it('upgrade replaces the workers, and sessions keep their history', async () => {
    const token = mint({ user: 'user-u' }).token
    const client = await cluster.connect(token).start('foo')
    await event('foo')
    await client.next()
    const [before] = (await rows('--user', 'user-u')).sessions
    const { status, out } = await ctl(['upgrade'])
    expect([status, out.startsWith('upgrade: success')], out).to.deep.equal([0, true])
    const [after] = (await rows('--user', 'user-u')).sessions
    expect(after).to.include({ since: before!.since, sentEvents: 1 })
    await event('foo')
    await client.next()
    expect((await ctl(['status'])).out).to.match(/upgrade: success at/)
  })

  it('upgrade with a configuration that cannot be used says why, with status 1', async () => {
    const good = await readFile(configFile, 'utf8')
    const bad = { ...(JSON.parse(good) as object), process_workers: 'many' }
    await writeFile(configFile, JSON.stringify(bad))
    const { status, out, err } = await ctl(['upgrade'])
    await writeFile(configFile, good)
    expect([status, out + err]).to.satisfy(
      ([code, text]: [number, string]) => code === 1 && /process_workers/.test(text),
    )
  })

  it('sessions --close ends those that are meant, and after 1012 they go on where they were', async () => {
    const [gone, stays] = [mint({ user: 'user-g' }), mint({ user: 'user-s' })]
    const clients: Client[] = []
    for (const { token } of [gone, stays]) clients.push(await cluster.connect(token).start('foo'))
    const { status, out } = await ctl(['sessions', '--close', '1012', '--user', 'user-g'])
    expect([status, out]).to.deep.equal([0, '1 sessions are being closed\n'])
    expect(await clients[0]!.closed).to.deep.include({ code: 1012 })
    await event('foo', { data: { missed: true } })
    const back = await cluster.connect(gone.token).start('foo')
    expect(JSON.stringify(await back.next())).to.include('missed')
    await clients[1]!.next() // it was never closed
    const { out: refused } = await ctl(['sessions', '--close', '4003', '--token-hash', tag(stays.token)])
    expect(refused).to.equal('1 sessions are being closed\n')
    expect(await clients[1]!.closed).to.deep.include({ code: 4003, reason: 'authentication expired' })
  })

  it('a client that comes back after a 1012 goes on where it was, also when its worker is replaced before its start', async () => {
    const { token } = mint({ user: 'user-m' })
    const gone = await cluster.connect(token).start('foo')
    await ctl(['sessions', '--close', '1012', '--user', 'user-m'])
    expect(await gone.closed).to.deep.include({ code: 1012 })
    await event('foo', { data: { missed: true } })
    const back = cluster.connect(token)
    await back.next()
    await back.ask('subscribe', { event_name: 'foo' })
    expect((await ctl(['upgrade'])).status).to.equal(0)
    await back.ask('start')
    expect(JSON.stringify(await back.next())).to.include('missed')
  })

  it('explain says which rule keeps an event from a token, and which pattern allows another', async () => {
    const { token } = mint({ user: 'user-e', acl: ['websocketd', 'events.calls.me', '!events.secret.#'] })
    await cluster.connect(token).start('call_created')
    await event('call_created', { requiredAcl: 'events.calls.user-e' })
    await event('call_created', { requiredAcl: 'events.secret.x' })
    await event('call_ended', { requiredAcl: 'events.calls.user-e' })
    const explain = async (...args: string[]) =>
      ctl(['explain', '--token-file', '-', ...args], { input: `${token}\n` })
    const { status, out } = await waitFor(
      async () => {
        const run = await explain('--last', '3')
        return run.out.includes('call_ended') ? run : null
      },
      { timeoutMs: 10_000, everyMs: 200, what: 'the events in the log' },
    )
    expect(status, out).to.equal(0)
    expect(out).to.match(/^event call_created .*: DELIVERED$/m)
    expect(out).to.include('events.calls.me allows events.calls.user-e')
    expect(out).to.include('!events.secret.# denies events.secret.x')
    expect(out).to.match(/^event call_ended .*: NOT DELIVERED, because of name$/m)
    expect(out).to.include('sessions on this host: 1')
    const file = join(await temporaryDirectory('event'), 'event.json')
    await writeFile(
      file,
      JSON.stringify({ headers: {}, body: { name: 'foo', tenant_uuid: 'other', required_acl: null } }),
    )
    expect((await explain('--event', file)).out).to.include('NOT DELIVERED, because of name, tenant, user')
    expect((await explain('--event', 'none')).out).to.include('there is no event called none')
    const tokenFile = join(await temporaryDirectory('token'), 'token')
    await writeFile(tokenFile, token)
    expect((await ctl(['explain', '--token-file', tokenFile, '--event', 'call_ended'])).status).to.equal(0)
    expect((await ctl(['explain', '--token', 'unknown'])).err).to.include('wazo-auth says no')
    expect((await ctl(['explain', '--token', '../x'])).status).to.equal(1)
  })

  it('orders are taken over the socket alone, and nothing on the WebSocket port', async () => {
    const { adminPort, port } = cluster.edges[0]!
    const post = { method: 'POST', body: JSON.stringify({ code: 1012, all: true }) }
    for (const path of ['close', 'upgrade'])
      expect((await fetch(`http://127.0.0.1:${adminPort}/admin/${path}`, post)).status).to.equal(403)
    expect((await fetch(`http://127.0.0.1:${port}/admin/status`)).status).to.equal(426)
    expect((await fetch(`http://127.0.0.1:${adminPort}/admin/status`)).status).to.equal(200)
  })

  it('without its socket questions are answered over the port, and orders are not taken', async () => {
    const env = { WAZO_WEBSOCKETD_ADMIN__SOCKET: `${socket}.none` }
    expect((await ctl(['status'], { env })).status).to.equal(0)
    const { status, err } = await ctl(['upgrade'], { env })
    expect(status).to.equal(1)
    expect(err).to.match(/^wazo-websocketd-ctl: the edge takes no orders at [^\n]*\n$/)
  })

  it('says no token anywhere', () => {
    const texts = [...said, cluster.logs()].join('\n')
    expect(tokens).to.have.length.above(4)
    expect(tokens.filter((token) => texts.includes(token))).to.deep.equal([])
  })
})
