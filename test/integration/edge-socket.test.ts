import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { createSocketServer } from '@wazo-websocketd/edge/socket/server'
import { connect } from '../support/client.js'
import { Edge, type EdgeOptions } from '../support/edge-socket.js'

describe('the WebSocket port', () => {
  const edges: Edge[] = []
  const edge = async (options: EdgeOptions = {}) => {
    const one = await new Edge(options).listen()
    edges.push(one)
    return one
  }

  afterEach(async () => {
    for (const one of edges.splice(0)) await one.stop()
  })

  describe('plain HTTP', () => {
    const request = (url: string) =>
      new Promise<{ status: number | undefined; upgrade: string | undefined; body: string }>(
        (resolve, reject) => {
          get(url, { agent: false }, (response) => {
            let body = ''
            response.on('data', (data: Buffer) => (body += data.toString()))
            response.on('end', () =>
              resolve({ status: response.statusCode, upgrade: response.headers.upgrade, body }),
            )
          }).on('error', reject)
        },
      )

    it('answers a GET with 426', async () => {
      const { port } = await edge()
      expect(await request(`http://127.0.0.1:${port}/`)).to.include({ status: 426, upgrade: 'websocket' })
    })

    it('lets another handler answer first', async () => {
      const { port } = await edge({
        onRequest: (incoming, response) => {
          if (incoming.url !== '/console') return false
          response.end('console')
          return true
        },
      })
      expect(await request(`http://127.0.0.1:${port}/console`)).to.include({ status: 200, body: 'console' })
      expect(await request(`http://127.0.0.1:${port}/`)).to.include({ status: 426 })
    })

    it('answers an upgrade to something else with 426', async () => {
      const client = (await edge()).raw()
      client.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n')
      await client.until(() => client.ended)
      expect(client.text).to.match(/^HTTP\/1\.1 426 /)
    })

    for (const [what, lines] of [
      ['no key', 'Sec-WebSocket-Version: 13'],
      ['a bad key', 'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x'],
      ['an unknown version', 'Sec-WebSocket-Version: 99\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='],
    ] as const)
      it(`answers an upgrade with ${what} with 400`, async () => {
        const client = (await edge()).raw()
        client.write(
          `GET /?token=good HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${lines}\r\n\r\n`,
        )
        await client.until(() => client.ended)
        expect(client.text).to.match(/^HTTP\/1\.1 400 /)
      })

    it('refuses header lines above 16 KiB and lives on', async () => {
      const one = await edge()
      const client = one.raw().upgrade('/?token=good', `X-Large: ${'x'.repeat(17_000)}\r\n`)
      await client.until(() => client.ended)
      expect(client.text).to.match(/^HTTP\/1\.1 431 /)
      expect(one.refusals).to.deep.equal(['too-large'])
      expect(await connect(one.url, { token: 'good' }).next()).to.include({ op: 'init' })
    })

    it('survives garbage', async () => {
      const one = await edge()
      const client = one.raw().write(Buffer.from([0x16, 3, 1, 0, 0xff, 0xfe, 0, 13, 10, 13, 10]))
      await client.until(() => client.ended)
      expect(one.refusals).to.deep.equal(['malformed'])
      expect(await connect(one.url, { token: 'good' }).next()).to.include({ op: 'init' })
    })
  })

  describe('upgrades', () => {
    for (const path of ['', 'api/websocketd', 'api/websocketd/'])
      it(`happen on /${path}`, async () => {
        const one = await edge()
        expect(await connect(`${one.url}${path}`, { token: 'good', version: 2 }).next()).to.deep.equal({
          op: 'init',
          code: 0,
          data: { version: 2 },
        })
      })

    it('are answered at once, before wazo-auth is', async () => {
      const one = await edge()
      one.auth.waiting = true
      const client = connect(one.url, { token: 'good' })
      await client.opened
      expect(client.waiting).to.equal(0)
      one.auth.answer()
      expect(await client.next()).to.include({ op: 'init' })
    })

    it('take the token from a header in any case', async () => {
      const one = await edge()
      expect(await connect(one.url, { headers: { 'x-AUTH-token': 'good' } }).next()).to.include({
        op: 'init',
      })
    })

    for (const [query, code, reason] of [
      ['', 4001, 'no token'],
      ['token=good&version=3', 4004, 'unsupported version'],
      ['token=unknown', 4002, 'authentication failed'],
      ['token=..', 4002, 'authentication failed'],
      ['token=%zz%E0', 4002, 'authentication failed'],
    ] as const)
      it(`end with ${code} for the query "${query}"`, async () => {
        const one = await edge()
        expect(await connect(one.url, { query }).closed).to.deep.equal({ code, reason })
      })
  })

  describe('origins', () => {
    const allowedOrigins = ['https://wazo.example']

    it('are refused with 403 before the upgrade when they are not on the list', async () => {
      const one = await edge({ allowedOrigins })
      const client = connect(one.url, { token: 'good', headers: { Origin: 'https://evil.example' } })
      const error = await client.opened.then(
        () => 'upgraded',
        (reason: unknown) => (reason as Error).message,
      )
      expect(error).to.equal('Unexpected server response: 403')
      expect(one.auth.asked).to.deep.equal([])
      expect(one.refusals).to.deep.equal(['origin'])
    })

    for (const headers of [{ Origin: 'https://wazo.example' }, {}])
      it(`pass with ${JSON.stringify(headers)}`, async () => {
        const one = await edge({ allowedOrigins })
        expect(await connect(one.url, { token: 'good', headers }).next()).to.include({ op: 'init' })
      })
  })

  describe('client addresses', () => {
    const limited = { sessionLimits: { connectionsPerIp: 1 } }
    const twice = async (one: Edge) => {
      await connect(one.url, { token: 'good', headers: { 'X-Forwarded-For': '198.51.100.1' } }).next()
      const second = connect(one.url, { token: 'good', headers: { 'X-Forwarded-For': '198.51.100.2' } })
      return Promise.race([
        second.closed.then(({ code }) => code),
        second.next().then(
          () => 'open',
          () => 'closed',
        ),
      ])
    }

    it('are taken from a trusted proxy', async () => {
      expect(await twice(await edge({ ...limited, trustedProxies: ['127.0.0.1'] }))).to.equal('open')
    })

    it('are not taken from anybody else', async () => {
      expect(await twice(await edge(limited))).to.not.equal('open')
    })

    it('may connect at a rate; beyond it a connection is closed before its request is read', async () => {
      const one = await edge({ limits: { connectsPerIpPerSecond: 1 } })
      const clients = Array.from({ length: 8 }, () => one.raw().upgrade())
      await clients[7]!.until(() => clients.slice(5).every(({ ended }) => ended))
      await clients[0]!.until(() => clients.slice(0, 5).every(({ text }) => text.includes('101')))
      expect(clients.slice(5).map(({ text }) => text)).to.deep.equal(['', '', ''])
      expect(one.refusals).to.deep.equal(['connect-rate', 'connect-rate', 'connect-rate'])
    })

    it('may connect at a rate also behind a trusted proxy, each for itself; beyond it they get 429', async () => {
      const one = await edge({ limits: { connectsPerIpPerSecond: 1 }, trustedProxies: ['127.0.0.1'] })
      const from = (address: string) => one.raw().upgrade(undefined, `X-Forwarded-For: ${address}\r\n`)
      const statusOf = async (address: string) => {
        const client = from(address)
        await client.until(() => client.text.includes('\r\n\r\n'))
        return client.text.slice(9, 12)
      }
      const statuses: string[] = []
      for (let i = 0; i < 6; i++) statuses.push(await statusOf('198.51.100.1'))
      expect(statuses).to.deep.equal(['101', '101', '101', '101', '101', '429'])
      expect(await statusOf('198.51.100.2')).to.equal('101')
    })
  })

  describe('TLS', () => {
    let directory = ''
    let tls = { certificate: '', privateKey: '' }

    before(() => {
      directory = mkdtempSync(join(tmpdir(), 'wazo-ws-tls-'))
      const [key, cert] = [join(directory, 'key.pem'), join(directory, 'cert.pem')]
      execFileSync(
        'openssl',
        [
          'req',
          '-x509',
          '-newkey',
          'ec',
          '-pkeyopt',
          'ec_paramgen_curve:prime256v1',
          '-nodes',
          '-days',
          '1',
        ].concat(['-subj', '/CN=localhost', '-keyout', key, '-out', cert]),
        { stdio: 'ignore' },
      )
      tls = { certificate: readFileSync(cert, 'utf8'), privateKey: readFileSync(key, 'utf8') }
    })

    after(() => rmSync(directory, { recursive: true }))

    it('carries sessions', async () => {
      const one = await edge({ tls })
      const client = connect(one.url, { token: 'good', version: 2, socket: { rejectUnauthorized: false } })
      await client.start('foo')
      expect(await client.ask('ping', { payload: 'x'.repeat(50_000) })).to.deep.include({ op: 'pong' })
      expect(await client.close(1000)).to.include({ code: 1000 })
    })

    it('is not disturbed by clients that do not speak it', async () => {
      const one = await edge({ tls })
      const plain = one.raw().upgrade()
      await plain.until(() => plain.ended)
      const client = connect(one.url, { token: 'good', socket: { rejectUnauthorized: false } })
      expect(await client.next()).to.include({ op: 'init' })
    })

    it('drops clients that connect and say nothing', async function () {
      this.timeout(9_000)
      const one = await edge({ tls, limits: { handshakeTime: 1_000 } })
      const client = one.raw()
      await client.until(() => client.ended, 4_000)
      expect(client.endedAfter).to.be.within(900, 2_500)
    })

    it('refuses files that are no pair in one line', () => {
      expect(() => new Edge({ tls: { ...tls, privateKey: 'nonsense' } })).to.throw(
        /^websocket\.certificate, websocket\.private_key: not a usable pair: [^\n]+$/,
      )
    })
  })

  it('says in one line when the port is in use', async () => {
    const one = await edge()
    const error = await new Edge({ port: one.port }).listen().then(
      () => 'listening',
      (reason: unknown) => (reason as Error).message,
    )
    expect(error).to.equal(
      `cannot listen on 127.0.0.1:${one.port}: in use by another program; change websocket.listen or websocket.port or end that program`,
    )
  })

  it('says in one line when the address is not this machine', async () => {
    const error = await new Edge({ listen: '192.0.2.1' }).listen().then(
      () => 'listening',
      (reason: unknown) => (reason as Error).message,
    )
    expect(error).to.equal(
      'cannot listen on 192.0.2.1:0: not an address of this machine; change websocket.listen or websocket.port',
    )
  })

  it('refuses a proxy list that it cannot read', () => {
    expect(() => new Edge({ trustedProxies: ['example.org'] })).to.throw(
      /^websocket\.trusted_proxies: "example\.org"/,
    )
    expect(createSocketServer).to.be.a('function')
  })

  it('keeps its sessions when it stops listening, and takes no new ones', async () => {
    const one = await edge()
    const client = connect(one.url, { token: 'good', version: 2 })
    await client.start('foo')
    one.server.stopListening()
    one.server.stopListening()
    expect(await client.ask('ping', { payload: 1 })).to.deep.include({ op: 'pong' })
    const late = connect(one.url, { token: 'good' })
    expect((await late.closed).code).to.equal(1006)
  })
})
