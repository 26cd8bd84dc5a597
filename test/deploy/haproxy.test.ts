import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import { WebSocketServer } from 'ws'
import { connect, type Client } from '../support/client.js'
import { freePort } from '../support/port.mjs'
import { sleep, waitFor } from '../support/wait.mjs'
import { checkHaproxy, startHaproxy, writeHaproxy, type Ports } from '../support/haproxy.js'
import type { Proxy } from '../support/proxy.js'

const SECRET = 'secret-canary-token'
const socket = { rejectUnauthorized: false }

interface Greeting {
  readonly name: string
  readonly url: string
  readonly headers: Record<string, string>
}

/** An edge host as a proxy sees it: it tells what reached it, and says on another port whether it is ready. */
class Host implements Ports {
  ready = true
  /** How often it was asked. */
  checks = 0
  readonly name: string
  private readonly server: Server
  private readonly admin: Server

  private constructor(name: string) {
    this.name = name
    this.server = createServer((message, response) => {
      response.setHeader('Content-Type', 'application/json')
      response.end(JSON.stringify({ name, url: message.url, headers: message.headers }))
    })
    new WebSocketServer({ server: this.server }).on('connection', (client, message) => {
      client.on('message', (data: Buffer) => client.send(data.toString()))
      client.send(JSON.stringify({ name, url: message.url, headers: message.headers }))
    })
    this.admin = createServer((message, response) => {
      if (message.url === '/readyz') this.checks++
      response.statusCode = message.url !== '/readyz' ? 404 : this.ready ? 200 : 503
      response.end()
    })
  }

  static async start(name: string): Promise<Host> {
    const host = new Host(name)
    for (const server of [host.server, host.admin]) {
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
    }
    return host
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port
  }

  get adminPort(): number {
    return (this.admin.address() as AddressInfo).port
  }

  /** Established connections stay. */
  stopListening(): void {
    this.server.close()
  }

  stop(): void {
    for (const server of [this.server, this.admin]) {
      server.close()
      server.closeAllConnections()
    }
  }
}

describe('The HAProxy configuration', () => {
  let hosts: [Host, Host]
  let haproxy: Proxy
  let base: string
  let clients: Client[] = []

  beforeEach(async () => {
    hosts = [await Host.start('edge1'), await Host.start('edge2')]
    haproxy = await startHaproxy(hosts)
    base = `127.0.0.1:${haproxy.port}/api/websocketd/`
    clients = []
  })

  afterEach(async () => {
    for (const client of clients) client.socket.terminate()
    await haproxy.stop()
    for (const host of hosts) host.stop()
  })

  function open(url = `wss://${base}`): Client {
    const client = connect(url, { token: SECRET, version: 2, socket })
    clients.push(client)
    return client
  }

  const greeting = async (client = open()) => (await client.next()) as unknown as Greeting

  /** Which hosts new connections go to. */
  async function served(connections: number): Promise<string[]> {
    const names = new Set<string>()
    for (let i = 0; i < connections; i++) names.add((await greeting()).name)
    return [...names].sort()
  }

  it('passes haproxy -c without a warning', async () => {
    const said = await checkHaproxy(await writeHaproxy(await freePort(), hosts))
    expect(said)
      .to.contain('Configuration file is valid')
      .and.not.to.match(/warning|alert/i)
  })

  it('upgrades, strips the prefix, keeps the query and says whose connection it is', async () => {
    const { url, headers } = await greeting()
    expect(url).to.equal(`/?token=${SECRET}&version=2`)
    expect(headers['host']).to.equal(`127.0.0.1:${haproxy.port}`)
    expect(headers['x-forwarded-for']).to.equal('127.0.0.1')
    expect(headers['x-forwarded-proto']).to.equal('https')
    const bare = await greeting(open(`wss://127.0.0.1:${haproxy.port}/api/websocketd`))
    expect(bare.url).to.equal(`/?token=${SECRET}&version=2`)
  })

  it('passes ordinary requests, so that the console page works behind it; other paths are not its business', async () => {
    const { status, body } = await get(`https://${base}console`)
    expect(status).to.equal(200)
    expect((JSON.parse(body) as Greeting).url).to.equal('/console')
    expect((await get(`https://127.0.0.1:${haproxy.port}/api/websocketdx`)).status).to.equal(503)
  })

  it('logs requests without their tokens, also where no host can be reached', async () => {
    await get(`https://${base}logged?token=${SECRET}`)
    for (const host of hosts) host.stopListening()
    expect((await get(`https://${base}down?token=${SECRET}`)).status).to.equal(503)
    for (const path of ['logged', 'down'])
      await waitFor(async () => (await haproxy.logs()).includes(`/api/websocketd/${path}`), {
        what: 'the log line',
      })
    expect(await haproxy.logs()).not.to.contain(SECRET)
  })

  it('goes to the other host at once when one has closed its listener before any check has noticed', async () => {
    hosts[0].stopListening()
    const from = performance.now()
    expect(await served(6)).to.deep.equal(['edge2'])
    expect(performance.now() - from).to.be.below(3_000)
    expect(hosts[0].ready).to.equal(true)
  })

  it('gives a host that is not ready nothing new, leaves it its sessions, and comes back when it is', async () => {
    expect(await served(2)).to.deep.equal(['edge1', 'edge2'])
    const [established] = clients
    hosts[0].ready = false
    const down = async () => (await haproxy.logs()).includes('wazo_websocketd/edge1 is DOWN')
    await waitFor(down, { what: 'the host to be down', everyMs: 100 })
    expect(await served(4)).to.deep.equal(['edge2'])
    await sleep(500)
    for (const client of clients)
      expect(await client.send({ hello: 'there' }).next()).to.deep.equal({ hello: 'there' })
    expect(established!.socket.readyState).to.equal(1)
    hosts[0].ready = true
    const up = async () => (await haproxy.logs()).includes('wazo_websocketd/edge1 is UP')
    await waitFor(up, { what: 'the host to be up', everyMs: 100 })
    expect(await served(4)).to.include('edge1')
    expect(hosts[0].checks).to.be.above(2)
  })
})

/** GET over TLS without looking at the certificate. */
async function get(url: string): Promise<{ status: number; body: string }> {
  const [response] = (await once(request(url, { rejectUnauthorized: false }).end(), 'response')) as [
    import('node:http').IncomingMessage,
  ]
  let body = ''
  for await (const chunk of response.setEncoding('utf8')) body += chunk as string
  return { status: response.statusCode!, body }
}
