import { readFile } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import type { ChannelModel } from 'amqplib'
import {
  connectBroker,
  describeBrokerError,
  type BrokerOptions,
} from '@wazo-websocketd/ingest/broker/connection'
import { BrokerHosts } from '@wazo-websocketd/ingest/broker/hosts'
import { TopologyDeclarer } from '@wazo-websocketd/ingest/broker/topology'
import { StartupError } from '@wazo-websocketd/shared/runtime/startup-error'
import { readClientTls } from '@wazo-websocketd/shared/runtime/tls'
import { expect } from 'chai'
import { makeCertificates, type Certificates } from '../support/certificates.js'
import { freePort } from '../support/port.mjs'
import { startRabbit } from '../support/rabbitmq.mjs'

describe('a connection to RabbitMQ', function () {
  this.timeout(60_000)
  let rabbit: Awaited<ReturnType<typeof startRabbit>>
  let files: Certificates
  let tlsPort: number
  const ends: (() => unknown)[] = []

  before(async () => {
    files = await makeCertificates()
    tlsPort = await freePort()
    const configuration = [
      `listeners.ssl.1 = 127.0.0.1:${tlsPort}`,
      `ssl_options.cacertfile = ${files.authority}`,
      `ssl_options.certfile = ${files.certificate}`,
      `ssl_options.keyfile = ${files.key}`,
      'ssl_options.verify = verify_peer',
      'ssl_options.fail_if_no_peer_cert = false',
    ]
    rabbit = await startRabbit({ configuration })
  })
  after(() => rabbit.stop())
  afterEach(async () => {
    for (const end of ends.splice(0)) await end()
  })

  function options(hosts: readonly string[], over: Partial<BrokerOptions> = {}): BrokerOptions {
    const access = { username: 'guest', password: 'guest', vhost: '/', heartbeat: 5 }
    return { hosts: new BrokerHosts(hosts), tls: null, ...access, ...over }
  }

  async function connected(given: BrokerOptions): Promise<ChannelModel> {
    const connection = await connectBroker(given, 'test')
    ends.push(() => connection.close())
    return connection
  }

  async function refusal(given: BrokerOptions): Promise<string> {
    const error: unknown = await connected(given).catch((reason: unknown) => reason)
    expect(error).to.be.instanceOf(Error)
    return describeBrokerError(error, given)
  }

  it('passes hosts that refuse or are silent within 3 s, and begins with the one that worked the next time', async () => {
    const sockets = new Set<Socket>()
    const silent: Server = createServer((socket) => void sockets.add(socket))
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    ends.push(() => {
      for (const socket of sockets) socket.destroy()
      silent.close()
    })
    const { port } = silent.address() as { port: number }
    const given = options([`127.0.0.1:${await freePort()}`, `127.0.0.1:${port}`, `127.0.0.1:${rabbit.port}`])
    let since = performance.now()
    await connected(given)
    expect(performance.now() - since).to.be.below(3000)
    expect(given.hosts.current).to.equal(`127.0.0.1:${rabbit.port}`)
    since = performance.now()
    await connected(given)
    expect(performance.now() - since).to.be.below(1000)
  })

  it('speaks TLS, with an authority and a certificate of its own, when bus.tls says so', async () => {
    const { authority: ca, certificate: cert, key } = files
    for (const config of [
      { ca, cert: null, key: null, verify: true },
      { ca, cert, key, verify: true },
      { ca: null, cert: null, key: null, verify: false },
    ])
      await connected(options([`127.0.0.1:${tlsPort}`], { tls: readClientTls('bus.tls', config) }))
    expect(await rabbit.evaluate('length([C || C <- rabbit_networking:connections(), true]).')).to.equal('3')
  })

  it('says in one line which key to correct when TLS fails', async () => {
    const at = (port: number, host = '127.0.0.1') => [`${host}:${port}`]
    const tls = async (from: Certificates) => ({
      rejectUnauthorized: true,
      ca: await readFile(from.authority, 'utf8'),
    })
    const lines = {
      'an unknown authority': [
        options(at(tlsPort), { tls: { rejectUnauthorized: true } }),
        /not trusted: name the file of its authority in bus\.tls\.ca/,
      ],
      'another authority': [
        options(at(tlsPort), { tls: await tls(await makeCertificates()) }),
        /not trusted: name the file of its authority in bus\.tls\.ca/,
      ],
      'another name': [
        options(at(tlsPort, 'localhost'), { tls: await tls(files) }),
        /for other names: correct bus\.host and bus\.port \(or bus\.hosts\)/,
      ],
      'a plain port': [
        options(at(rabbit.port), { tls: await tls(files) }),
        /does not speak TLS on this port: correct bus\.host .*, or bus\.tls$/,
      ],
      'no TLS': [options(at(tlsPort)), /if it speaks TLS on this port, set bus\.tls, or correct bus\.host/],
    } as const
    for (const [what, [given, expected]] of Object.entries(lines)) {
      const line = await refusal(given)
      expect(line, what)
        .to.match(expected)
        .and.match(/^RabbitMQ at \S+ [^\n]*$/)
    }
  })

  it('says so of a certificate that has expired', async () => {
    const expired = await makeCertificates('IP:127.0.0.1', -1)
    const pems = { cert: await readFile(expired.certificate), key: await readFile(expired.key) }
    const server = createTlsServer(pems)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    ends.push(() => server.close())
    const { port } = server.address() as { port: number }
    const tls = { rejectUnauthorized: true, ca: await readFile(expired.authority, 'utf8') }
    expect(await refusal(options([`127.0.0.1:${port}`], { tls }))).to.match(/has expired: renew it there/)
  })

  it('refuses files that cannot be read or used, naming key and file', () => {
    const config = { ca: null, cert: null, key: null, verify: true }
    const { certificate: cert, authority, key } = files
    for (const [given, line] of [
      [{ ...config, ca: '/none.pem' }, 'bus.tls.ca: cannot read /none.pem: no such file'],
      [{ ...config, ca: key }, `bus.tls.ca: ${key} holds no certificate in PEM form`],
      [
        { ...config, cert, key: cert },
        `bus.tls.cert, bus.tls.key: ${cert} and ${cert} are not a usable pair`,
      ],
      [
        { ...config, cert: authority, key },
        `bus.tls.cert, bus.tls.key: ${authority} and ${key} are not a usable pair`,
      ],
    ] as const)
      expect(() => readClientTls('bus.tls', given)).to.throw(StartupError, line)
  })

  it('goes on with exchanges that it may not declare, and with a stream that has other arguments', async () => {
    const topology = {
      stream: 'wazo-websocketd.v1',
      exchange: 'wazo-headers',
      exchangeType: 'headers',
      legacyExchange: 'xivo',
    }
    const lines: string[] = []
    const guest = await connected(options([`127.0.0.1:${rabbit.port}`]))
    await rabbit.evaluate(
      'ok = rabbit_auth_backend_internal:add_user(<<"wazo">>, <<"wazo">>, <<"test">>), ' +
        'ok = rabbit_auth_backend_internal:set_permissions(<<"wazo">>, <<"/">>, <<"^wazo-websocketd\\\\.">>, ' +
        '<<"^(wazo-websocketd\\\\..*|amq\\\\.default)$">>, <<"^(wazo-websocketd\\\\..*|wazo-headers|xivo)$">>, <<"test">>).',
    )
    const given = options([`127.0.0.1:${rabbit.port}`], { username: 'wazo', password: 'wazo' })
    const restricted = await connected(given)
    const declare = (over: object) =>
      new TopologyDeclarer({ ...topology, ...over }, (line) => lines.push(line)).declare(restricted)
    const missing: unknown = await declare({}).catch((error: unknown) => error)
    expect(describeBrokerError(missing, given)).to.match(
      /lacks permissions for user "wazo" .*access to exchange 'wazo-headers'/,
    )
    await new TopologyDeclarer(topology, (line) => lines.push(line)).declare(guest)
    await declare({})
    expect(lines).to.deep.equal([])
    const keeper = new TopologyDeclarer({ ...topology, maxAgeMs: 60_000, replicas: 3 }, (line) =>
      lines.push(line),
    )
    for (let n = 0; n < 3; n++) await keeper.declare(restricted)
    expect(lines).to.have.length(1)
    expect(lines[0]).to.match(
      /bus\.stream\.max_age \(x-max-age\) wanted 60s, existing 600s, bus\.stream\.replicas .* wanted 3, existing unset/,
    )
    const channel = await guest.createChannel()
    await channel.assertQueue('classic', { durable: true, arguments: { 'x-max-length-bytes': 5 } })
    const other: unknown = await new TopologyDeclarer({ ...topology, stream: 'classic' }, (line) =>
      lines.push(line),
    )
      .declare(guest)
      .catch((error: unknown) => error)
    expect(describeBrokerError(other, given)).to.match(
      /queue "classic" exists with another x-queue-type: delete that queue/,
    )
    expect(lines).to.have.length(1)
  })
})
