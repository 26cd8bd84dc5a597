import { AuthClient, type AuthClientOptions } from '@wazo-websocketd/edge/auth/client'
import type { LookupRequest } from '@wazo-websocketd/edge/auth/lookup'
import { ClockOffset } from '@wazo-websocketd/edge/auth/clock-offset'
import type { TokenId, Verdict } from '@wazo-websocketd/shared/domain/identity'
import { systemClock as clock } from '@wazo-websocketd/shared/runtime/clock'
import { expect } from 'chai'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { MASTER_TENANT, startAuth } from '../support/auth.mjs'
import { Counts } from '../support/fakes/tokens.js'

describe('wazo-auth, asked over real HTTP', function () {
  this.timeout(30_000)
  const opened: (() => unknown)[] = []
  let auth: Awaited<ReturnType<typeof startAuth>>
  const complaints: string[] = []
  let counts: Counts
  let offset: ClockOffset

  const stopAuth = () => auth.stop()

  beforeEach(async () => {
    auth = await startAuth()
    opened.push(stopAuth)
    counts = new Counts()
    complaints.length = 0
    offset = new ClockOffset()
  })

  afterEach(async () => {
    for (const close of opened.splice(0).reverse()) await close()
  })

  function client(more: Partial<AuthClientOptions> = {}): AuthClient {
    const made = new AuthClient({
      url: `${auth.url}/api/auth`,
      verifyCertificate: true,
      tryMs: 500,
      connectionsMax: 4,
      aclLimits: { patternsMax: 5000, patternBytesMax: 512 },
      tenantless: false,
      intern: (details) => details,
      clock,
      offset,
      metrics: counts,
      outage: {
        fails: (_part, why) => void complaints.push(why),
        recovers: () => undefined,
        remark: () => undefined,
      },
      ...more,
    })
    opened.push(() => made.close())
    return made
  }

  function request(token: string, withinMs: number): LookupRequest {
    const since = clock.monotonic()
    return { token: token as TokenId, since, deadline: since + withinMs, wanted: true }
  }

  function lookup(token: string, made = client(), withinMs = 1_200): Promise<Verdict> {
    return made.lookup(request(token, withinMs))
  }

  async function serve(listener: RequestListener, tls?: { key: string; cert: string }): Promise<string> {
    const server: Server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    opened.push(() => {
      server.closeAllConnections()
      server.close()
    })
    return `${tls === undefined ? 'http' : 'https'}://localhost:${(server.address() as AddressInfo).port}`
  }

  it('names its address and the reason for the log while it does not answer', async () => {
    const url = await serve((_request, response) => void response.writeHead(500).end())
    await lookup('any', client({ url }), 300)
    expect(complaints[0]).to.equal(
      `wazo-auth at ${new URL(url).host} (auth.host and auth.port) cannot be asked about tokens: it answers status 500; clients get 1013 meanwhile`,
    )
    complaints.length = 0
    await lookup(auth.mint().token)
    expect(complaints).to.deep.equal([])
  })

  it('gives the details of a valid token', async () => {
    const token = auth.mint({ user: 'u', tenant: 't', admin: true, acl: ['websocketd', 'a.#'], session: 's' })
    const verdict = await lookup(token.token)
    expect(verdict).to.deep.equal({
      kind: 'valid',
      details: {
        token: token.token,
        sessionUuid: 's',
        userUuid: 'u',
        tenantUuid: 't',
        admin: true,
        acl: ['websocketd', 'a.#'],
        expiresAt: Date.parse(`${token.utc_expires_at}Z`),
      },
    })
    expect(auth.requests().paths).to.deep.equal([`/api/auth/0.1/token/${token.token}?scope=websocketd`])
  })

  it('calls a token invalid that is unknown, expired, or lacks the ACL', async () => {
    const made = client()
    expect(await lookup('unknown', made)).to.deep.equal({ kind: 'invalid' })
    expect(await lookup(auth.mint({ expiresInMs: -1 }).token, made)).to.deep.equal({ kind: 'invalid' })
    expect(await lookup(auth.mint({ acl: ['other'] }).token, made)).to.deep.equal({ kind: 'invalid' })
    expect(counts.requests).to.deep.equal(['invalid', 'invalid', 'invalid'])
  })

  it('puts the token into the path percent-encoded', async () => {
    expect(await lookup('abc?scope=x/../y')).to.deep.equal({ kind: 'invalid' })
    expect(auth.requests().paths[0]).to.equal('/api/auth/0.1/token/abc%3Fscope%3Dx%2F..%2Fy?scope=websocketd')
  })

  for (const prefix of ['', '/', '/api/auth', '/api/auth/']) {
    it(`finds wazo-auth under the prefix '${prefix}'`, async () => {
      const token = auth.mint()
      expect((await lookup(token.token, client({ url: `${auth.url}${prefix}` }))).kind).to.equal('valid')
      expect(auth.requests().paths[0]).to.match(new RegExp(`^${prefix.replace(/\/$/, '')}/0\\.1/token/`))
    })
  }

  for (const mode of ['down', 'slow', '500', 'garbage', 'no-metadata'] as const) {
    it(`never accepts and never refuses a token while wazo-auth is ${mode}, and asks again`, async () => {
      auth.set({ mode })
      const token = auth.mint()
      const from = clock.monotonic()
      expect(await lookup(token.token)).to.deep.equal({ kind: 'unavailable' })
      expect(clock.monotonic() - from).to.be.below(1_700)
      expect(counts.requests.length).to.be.greaterThan(1)
    })
  }

  const ABSENCES: readonly (readonly [string, () => Promise<string>])[] = [
    ['refuses connections', () => Promise.resolve('http://127.0.0.1:1')],
    ['refuses connections on every address', () => Promise.resolve('http://localhost:1')],
    ['has a name that nobody knows', () => Promise.resolve('http://wazo-auth.invalid')],
    ['is behind a proxy that does not find it', () => serve((_, response) => response.writeHead(502).end())],
    ['is behind a balancer without hosts', () => serve((_, response) => response.writeHead(503).end())],
  ]
  it('gives up within 2 s, after some tries, when nobody answers at the address', async () => {
    const absence = async ([what, start]: (typeof ABSENCES)[number]) => {
      const metrics = new Counts()
      const made = client({ url: await start(), tryMs: 3_000, metrics })
      const asked = request('t', 8_000)
      expect(made.isHopeless(asked), what).to.equal(false)
      expect(await made.lookup(asked), what).to.deep.equal({ kind: 'unavailable' })
      // A busy machine takes its part.
      expect(clock.monotonic() - asked.since, what).to.be.within(1_400, 3_000)
      expect(metrics.requests.length, what).to.be.within(3, 8)
      expect(made.isHopeless(asked), what).to.equal(true)
      expect(made.isHopeless(request('t', 8_000)), what).to.equal(false)
    }
    await Promise.all(ABSENCES.map(absence))
  })

  it('survives a restart of wazo-auth of a second', async () => {
    const made = client()
    const before = auth.mint()
    expect((await lookup(before.token, made)).kind).to.equal('valid')
    const { port } = auth
    await auth.stop()
    const asked = lookup(before.token, made, 8_000)
    await sleep(1_000)
    auth = await startAuth({ port })
    // The stand-in has forgotten its tokens: that it was asked is what counts.
    expect(await asked).to.deep.equal({ kind: 'invalid' })
  })

  it('does not insist when nobody wants the answer any more', async () => {
    auth.set({ mode: '500' })
    const asked = { ...request('t', 8_000), wanted: false }
    expect(await client().lookup(asked)).to.deep.equal({ kind: 'unavailable' })
    expect(counts.requests).to.deep.equal(['server-error'])
  })

  it('gets through when wazo-auth recovers within the deadline', async () => {
    auth.set({ mode: '500' })
    const token = auth.mint()
    const verdict = lookup(token.token, client(), 3_000)
    await sleep(300)
    auth.set({ mode: 'ok' })
    expect((await verdict).kind).to.equal('valid')
    expect(counts.requests.slice(-2)).to.deep.equal(['server-error', 'valid'])
  })

  for (const status of [204, 302, 400, 401, 407, 418]) {
    it(`takes status ${status} for no verdict about the token, and does not insist`, async () => {
      let asked = 0
      const url = await serve((_request, response) => {
        asked++
        response.writeHead(status).end()
      })
      expect(await lookup('t', client({ url }))).to.deep.equal({ kind: 'unavailable' })
      expect(asked).to.equal(1)
    })
  }

  it('refuses an ACL beyond the limits, and an answer beyond all bounds', async () => {
    const large = auth.mint({ acl: ['websocketd', ...Array<string>(5_000).fill('a')] })
    expect(await lookup(large.token)).to.deep.equal({
      kind: 'oversized',
      limit: 'ACL of more than 5000 patterns',
    })
    const url = await serve((_request, response) => response.end('x'.repeat(9 * 1024 * 1024)))
    expect((await lookup('t', client({ url, tryMs: 3_000 }), 4_000)).kind).to.equal('oversized')
  })

  it('uses its connections again and never more than it may', async () => {
    const made = client({ connectionsMax: 2 })
    auth.set({ delayMs: 20 })
    await Promise.all(Array.from({ length: 10 }, () => lookup(auth.mint().token, made)))
    expect(auth.requests()).to.include({ lookups: 10, inFlightMax: 2 })
  })

  it('learns the clock of wazo-auth from its answers', async () => {
    auth.set({ clockSkewMs: 300_000 })
    const token = auth.mint({ expiresInMs: 60_000 })
    const verdict = await lookup(token.token)
    const left =
      (verdict.kind === 'valid' ? verdict.details.expiresAt : 0) -
      offset.authTime(clock.monotonic(), Date.now())
    expect(left).to.be.within(58_500, 60_600)
  })

  it('learns the clock of wazo-auth by a question that creates nothing, and not from a proxy', async () => {
    auth.set({ clockSkewMs: 300_000, mode: '500' })
    const made = client()
    await made.readTime()
    expect(offset.authTime(clock.monotonic(), Date.now()) - Date.now(), 'the wall clock').to.be.within(
      -100,
      100,
    )
    auth.set({ mode: 'ok' })
    await made.readTime()
    expect(offset.authTime(clock.monotonic(), Date.now()) - Date.now()).to.be.within(298_500, 301_500)
    expect(auth.requests()).to.include({ tokens: 0 })
    await auth.stop()
    await made.readTime()
    auth = await startAuth()
  })

  it('creates the service token, whose tenant is the master tenant', async () => {
    const made = client()
    const answer = await made.createToken({ username: auth.serviceId, password: auth.serviceKey })
    expect(answer.kind === 'created' ? answer.token.tenantUuid : answer).to.equal(MASTER_TENANT)
    expect(await made.createToken({ username: 'x', password: 'y' })).to.deep.equal({
      kind: 'refused',
      status: 401,
    })
    auth.set({ mode: 'down' })
    expect((await made.createToken({ username: 'x', password: 'y' })).kind).to.equal('unavailable')
    auth.set({ mode: 'no-metadata' })
    const known = { username: auth.serviceId, password: auth.serviceKey }
    expect(await made.createToken(known)).to.deep.equal({
      kind: 'unavailable',
      why: 'its answer is not understood',
    })
  })

  it('asks over TLS, and trusts as it is told to', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'edge-auth-'))
    opened.push(() => rmSync(dir, { recursive: true }))
    const [keyFile, certFile] = [join(dir, 'key.pem'), join(dir, 'cert.pem')]
    const request =
      'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost'
    const names = ['-addext', 'subjectAltName=DNS:localhost', '-keyout', keyFile, '-out', certFile]
    execFileSync('openssl', [...request.split(' '), ...names], { stdio: 'ignore' })
    const tls = { key: readFileSync(keyFile, 'utf8'), cert: readFileSync(certFile, 'utf8') }
    const url = await serve((_request, response) => response.writeHead(404).end(), tls)
    expect(await lookup('t', client({ url, verifyCertificate: true }))).to.deep.equal({ kind: 'unavailable' })
    expect(await lookup('t', client({ url, verifyCertificate: false }))).to.deep.equal({ kind: 'invalid' })
    expect(await lookup('t', client({ url, verifyCertificate: certFile }))).to.deep.equal({ kind: 'invalid' })
    const why = async (address: string, verifyCertificate: boolean | string = certFile) => {
      const answer = await client({ url: address, verifyCertificate }).createToken({
        username: 'x',
        password: 'y',
      })
      return 'why' in answer ? answer.why : answer.kind
    }
    expect(await why(url, true)).to.match(
      /not trusted: name the file of its authority in auth\.verify_certificate/,
    )
    expect(await why(url.replace('localhost', '127.0.0.1'))).to.match(
      /for other names: correct auth\.host and/,
    )
    expect(await why(url.replace('https:', 'http:'))).to.match(
      /if it speaks TLS on this port, set auth\.https/,
    )
    const plain = await serve((_request, response) => response.writeHead(404).end())
    expect(await why(plain.replace('http:', 'https:'))).to.match(
      /does not speak TLS on this port: correct auth\.host and auth\.port, or auth\.https/,
    )
    expect(() => client({ verifyCertificate: keyFile })).to.throw(
      /key\.pem holds no certificate in PEM form$/,
    )
    expect(() => client({ verifyCertificate: join(dir, 'none.pem') })).to.throw(
      /^auth\.verify_certificate: cannot read .*none\.pem: no such file$/,
    )
  })

  it('takes tokens without a tenant on an old Wazo only', async () => {
    auth.set({ mode: 'no-tenant' })
    const credentials = { username: auth.serviceId, password: auth.serviceKey }
    const old = client({ tenantless: true })
    expect(await lookup(auth.mint().token, old)).to.have.nested.property('details.tenantUuid', '')
    expect(await old.createToken(credentials)).to.have.nested.property('token.tenantUuid', '')
    expect(await lookup(auth.mint().token)).to.deep.equal({ kind: 'unavailable' })
    expect(await client().createToken(credentials)).to.have.property('kind', 'unavailable')
  })

  it('lets no token and no password into what it says', async () => {
    const url = await serve((request) => request.socket.destroy())
    const made = client({ url })
    const said = [
      JSON.stringify(await lookup('canary-token', made)),
      JSON.stringify(await made.createToken({ username: 'canary-user', password: 'canary-password' })),
    ]
    expect(said.join()).not.to.match(/canary/)
    expect(said[1]).to.match(/unavailable.*UND_ERR_SOCKET/)
  })
})
