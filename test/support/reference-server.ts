/**
 * A second implementation of the contract, as simple as it can be: one process, a queue of RabbitMQ for each
 * client, no Redis. It shows that the contract suite tests the contract and not one program; with `bug` it
 * breaks one rule, which the suite must notice.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect } from 'amqplib'
import { WebSocketServer } from 'ws'
import { SERVICE_ID, SERVICE_KEY } from './auth.mjs'
import type { Bug, Token } from './reference-rights.js'
import { ReferenceLog } from './reference-log.js'
import { ReferenceSession, type Verdict, type World } from './reference-session.js'

const FRAME_BYTES_MAX = 64 * 1024
const FRAGMENTS_MAX = 16
const AUTH_TRY_MS = 900
const AUTH_TRIES = 2

export interface ReferenceServer {
  readonly url: string
  stop(): Promise<void>
}

/** Starts the reference server on a free port of the loopback interface. */
export async function startReference(options: {
  amqpUrl: string
  authUrl: string
  uuid: string
  bug?: Bug
}): Promise<ReferenceServer> {
  const { amqpUrl, authUrl, uuid, bug } = options
  const bus = await connect(amqpUrl, { noDelay: true })
  const channel = await bus.createChannel()
  await channel.assertExchange('wazo-headers', 'headers', { durable: true })
  await channel.assertExchange('xivo', 'topic', { durable: true })
  const masterTenant = await ownTenant(authUrl)
  const log = await ReferenceLog.open(channel, uuid, bug)
  const world: World = { bus, log, uuid, masterTenant, bug, lookUp: (token) => lookUp(authUrl, token, bug) }
  const http = createServer((_request, response) => response.writeHead(426).end())
  const server = new WebSocketServer({
    server: http,
    maxPayload: FRAME_BYTES_MAX,
    maxFragments: FRAGMENTS_MAX,
    perMessageDeflate: false,
  })
  server.on('connection', (socket, request) => {
    const query = new URLSearchParams(request.url?.split('?').slice(1).join('?') ?? '')
    const first = (key: string) => query.getAll(key).find((value) => value !== '')
    const version = first('version') ?? '1'
    const header = request.headers['x-auth-token']
    const token = first('token') ?? (typeof header === 'string' && header !== '' ? header : undefined)
    if (version !== '1' && version !== '2') socket.close(4004, 'unsupported version')
    else if (token === undefined) socket.close(4001, 'no token')
    else {
      const resume = version === '2' && query.has('resume') ? (first('resume') ?? '') : null
      new ReferenceSession(world, socket, version === '1' ? 1 : 2, token, resume)
    }
  })
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  return {
    url: `ws://127.0.0.1:${(http.address() as AddressInfo).port}`,
    async stop() {
      for (const client of server.clients) client.terminate()
      http.close()
      http.closeAllConnections()
      await bus.close()
    },
  }
}

async function ownTenant(authUrl: string): Promise<string> {
  const credentials = Buffer.from(`${SERVICE_ID}:${SERVICE_KEY}`).toString('base64')
  const response = await fetch(`${authUrl}/api/auth/0.1/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${credentials}`, 'content-type': 'application/json' },
    body: '{"expiration": 21600}',
  })
  const { data } = (await response.json()) as { data: Token }
  return data.metadata.tenant_uuid
}

async function lookUp(authUrl: string, token: string, bug: Bug | undefined): Promise<Verdict> {
  const id = bug === 'raw-token' ? token : encodeURIComponent(token)
  for (let tries = 0; tries < AUTH_TRIES; tries++) {
    try {
      const response = await fetch(`${authUrl}/api/auth/0.1/token/${id}?scope=websocketd`, {
        signal: AbortSignal.timeout(AUTH_TRY_MS),
      })
      if (response.status === 403 || response.status === 404) return 'invalid'
      const { data } = (await response.json()) as {
        data?: Omit<Token, 'metadata'> & Partial<Pick<Token, 'metadata'>>
      }
      const metadata = data?.metadata
      if (response.ok && data && metadata) return { token: { ...data, metadata } }
    } catch {
      // no answer, or none that can be read: asked again
    }
  }
  return 'unavailable'
}
