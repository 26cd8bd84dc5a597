/** `/metrics`, `/healthz`, `/readyz` and questions of the operator, on a port of their own that only the operator reaches. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { handleAdmin, type AdminRoutes } from './admin-routes.js'
import type { Exposition } from './metrics.js'
import { listenError, messageOf } from './startup-error.js'

export interface AdminOptions {
  readonly host: string
  readonly port: number
  /** The keys that choose the address, for the error: `metrics.listen and metrics.edge_port`. */
  readonly keys: string
  metrics(): Promise<Exposition>
  /** What keeps the program from serving, in words; empty when ready. */
  notReadyReasons(): readonly string[]
  /** What an operator has to know although the program is ready, in words. */
  remarks?(): readonly string[]
  /** What is below `/admin/`; of these only what changes nothing is answered here. */
  readonly routes?: AdminRoutes
}

export interface AdminServer {
  /** The port in use, also when `port` was 0. */
  readonly port: number
  close(): Promise<void>
}

const HEADERS_TIMEOUT_MS = 5000
const REQUEST_TIMEOUT_MS = 10_000
const CONNECTIONS_MAX = 100

/**
 * Starts the server.
 * @throws StartupError naming the keys when the address cannot be listened on.
 */
export async function startAdminServer(options: AdminOptions): Promise<AdminServer> {
  const server = createServer(
    { headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS },
    (request, response) => void handleRequest(options, request, response),
  )
  server.maxConnections = CONNECTIONS_MAX
  await listenOnPort(server, options)
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function listenOnPort(server: Server, { host, port, keys }: AdminOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(listenError(error, host, port, keys)))
    // `exclusive`: in a cluster's primary and workers alike this socket belongs to this process alone.
    server.listen({ host, port, exclusive: true }, () => resolve())
  })
}

async function handleRequest(
  options: AdminOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const path = (request.url ?? '/').split('?', 1)[0]
  if (options.routes !== undefined && path?.startsWith('/admin/') === true) {
    await handleAdmin(options.routes, request, response, false)
  } else if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD')
    send(response, 405, 'text/plain', 'method not allowed\n')
  } else if (path === '/metrics') {
    await sendMetrics(options, response)
  } else if (path === '/healthz') {
    send(response, 200, 'text/plain', 'ok\n')
  } else if (path === '/readyz') {
    sendReadiness(options.notReadyReasons(), options.remarks?.() ?? [], request, response)
  } else {
    send(response, 404, 'text/plain', 'not found: there are /metrics, /healthz and /readyz\n')
  }
}

async function sendMetrics(options: AdminOptions, response: ServerResponse): Promise<void> {
  try {
    const { contentType, body } = await options.metrics()
    send(response, 200, contentType, body)
  } catch (error) {
    send(response, 500, 'text/plain', `metrics cannot be collected: ${messageOf(error)}\n`)
  }
}

/** As JSON for whoever accepts it by name, as text otherwise. */
function sendReadiness(
  missing: readonly string[],
  remarks: readonly string[],
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const ready = missing.length === 0
  const status = ready ? 200 : 503
  if (request.headers.accept?.includes('application/json') === true) {
    send(response, status, 'application/json', `${JSON.stringify({ ready, missing, remarks })}\n`)
    return
  }
  const lines = [
    ready ? 'ready' : 'not ready',
    ...missing.map((what) => `missing: ${what}`),
    ...remarks.map((what) => `remark: ${what}`),
  ]
  send(response, status, 'text/plain', `${lines.join('\n')}\n`)
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  const contentType = type.includes('charset') ? type : `${type}; charset=utf-8`
  response.writeHead(status, { 'content-type': contentType, 'cache-control': 'no-store' })
  response.end(body)
}
