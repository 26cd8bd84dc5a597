import { createRequire } from 'node:module'
import { expect } from 'chai'
import type { WebSocketClient } from '@wazo/sdk'
import { WebSocket } from 'ws'
import { Cluster, type Token } from '../support/cluster.js'
import { fromTemplate } from '../support/publish.js'
import { waitFor } from '../support/wait.mjs'
import { startNginx, type Nginx } from '../support/nginx.js'

const USER = '5b0b9a4e-51a6-4f0c-9a5d-0c3a3f6ab001'
const TENANT = '5b0b9a4e-51a6-4f0c-9a5d-0c3a3f6ab002'
const RECONNECTED_MS_MAX = 30_000

const require = createRequire(import.meta.url)
const sdk = require('@wazo/sdk') as { WebSocketClient: typeof WebSocketClient }

describe('The Wazo SDK, through nginx and TLS', function () {
  this.timeout(60_000)
  let cluster: Cluster
  let nginx: Nginx
  let client: WebSocketClient
  let received: { name: string; data: Record<string, unknown> }[]
  let raw: string[]
  let starts = 0
  let token: Token

  /** A client with the SDK's own defaults, but for a WebSocket that trusts the test's certificate. */
  function create(id: string): WebSocketClient {
    const { certificate, port } = nginx
    class TrustingWebSocket extends WebSocket {
      constructor(url: string, protocols: string[]) {
        super(url, protocols, { ca: certificate })
      }
    }
    const settings = {
      host: `127.0.0.1:${port}`,
      token: id,
      version: 2,
      events: sdk.WebSocketClient.eventLists,
      heartbeat: { delay: 50, timeout: 5000, max: 1000 },
    }
    return new sdk.WebSocketClient(settings, { WebSocket: TrustingWebSocket })
  }

  /** Publishes a call of the user and waits until the SDK has told its listener. */
  async function expectEvent(callId: string): Promise<void> {
    const publication = fromTemplate('call_created', { user: USER, tenant: TENANT })
    const body = publication.body.toString().replaceAll('1732443330.12', callId)
    await cluster.publisher.publish({ ...publication, body: Buffer.from(body) })
    const event = await waitFor(() => received.find(({ data }) => data['call_id'] === callId), {
      what: `the event of call ${callId}`,
    })
    expect(event).to.deep.equal(JSON.parse(body))
  }

  before(async () => {
    cluster = await Cluster.start({ name: 'sdk', edges: 1, workers: 1 })
    nginx = await startNginx('single', [cluster.edges[0]!.port])
    token = cluster.auth.mint({ user: USER, tenant: TENANT, acl: ['websocketd', 'events.calls.me'] })
    received = []
    raw = []
    client = create(token.token)
    client.on('initialized', () => starts++)
    client.on('onmessage', (text: string) => raw.push(text))
    client.on('call_created', (event: (typeof received)[number]) => received.push(event))
  })

  after(async () => {
    client.stopHeartbeat()
    client.close(true)
    await nginx.stop()
    await cluster.stop()
  })

  it('connects with its whole list of event names', async () => {
    expect(sdk.WebSocketClient.eventLists.length).to.be.greaterThan(60)
    client.connect()
    await waitFor(() => starts === 1, { what: 'the SDK to be initialized' })
    expect(raw.filter((text) => text === '{"op":"subscribe","code":0,"data":null}')).to.have.length(
      sdk.WebSocketClient.eventLists.length,
    )
  })

  it('receives events in version 2', async () => {
    await expectEvent('1.1')
    expect(raw.at(-1)).to.match(/^{"op":"event","code":0,"data":{/)
  })

  it('gets pongs for its heartbeat', async () => {
    let pongs = 0
    client.setOnHeartbeatCallback(() => pongs++)
    client.startHeartbeat()
    await waitFor(() => pongs >= 3, { what: 'three pongs' })
    expect(client.hasHeartbeat()).to.equal(true)
  })

  it('renews its token, and the old one no longer matters', async () => {
    const renewed = cluster.auth.mint({ user: USER, tenant: TENANT, acl: ['websocketd', 'events.calls.me'] })
    client.updateToken(renewed.token)
    await waitFor(() => raw.includes('{"op":"token","code":0,"data":null}'), {
      what: 'the new token to be taken',
    })
    cluster.auth.delete(token.token)
    await cluster.publisher.publishSessionDeleted(token)
    await expectEvent('1.2')
    expect(client.isConnected()).to.equal(true)
    token = renewed
  })

  for (const [signal, how] of [
    ['SIGTERM', 'in order'],
    ['SIGKILL', 'by a kill'],
  ] as const)
    it(`reconnects by itself after a restart of the server (ended ${how})`, async () => {
      const before = starts
      const edge = cluster.edges[0]!
      if (signal === 'SIGKILL') edge.program.killGroup('SIGKILL')
      await edge.program.stop(signal, 10_000)
      await waitFor(() => !client.isConnected(), { what: 'the SDK to notice' })
      await cluster.restartEdge(edge)
      await waitFor(() => starts > before, { timeoutMs: RECONNECTED_MS_MAX, what: 'the SDK to come back' })
      await expectEvent(`2.${signal}`)
    })

  it('learns that a token is unknown (4002)', async () => {
    const stranger = create('00000000-0000-4000-8000-000000000000')
    let failures = 0
    stranger.on('on_auth_failed', () => failures++)
    stranger.connect()
    try {
      await waitFor(() => failures > 0, { what: 'close code 4002' })
      expect(stranger.initialized).to.equal(false)
    } finally {
      // The SDK leaves a socket alone that is closed already, and the library under it would try again for ever.
      stranger.socket?.close()
    }
  })
})
