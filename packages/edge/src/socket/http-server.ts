import { createServer, STATUS_CODES, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer, Server as TlsServer } from 'node:https'
import { Server as NetServer, type AddressInfo, type Socket } from 'node:net'
import type { Logger } from 'pino'
import { listenError } from '@wazo-websocketd/shared/runtime/startup-error'
import { errorCode } from '@wazo-websocketd/shared/runtime/system-error'
import type { SocketLimits } from './limits.js'
import type { HandshakeRefusal } from './metrics.js'

/** Contents of `websocket.certificate` and `websocket.private_key` (PEM). */
export interface TlsFiles {
  readonly certificate: string | Buffer
  readonly privateKey: string | Buffer
}

export interface HttpServerOptions {
  readonly listen: string
  readonly port: number
  /** null: no TLS. */
  readonly tls: TlsFiles | null
  readonly limits: Pick<SocketLimits, 'handshakeTime' | 'handshakeHeaderBytes'>
  readonly log: Pick<Logger, 'debug' | 'warn'>
}

const LISTEN_KEYS = 'websocket.listen or websocket.port'
/** Connections that the kernel completes while the server is busy. */
const BACKLOG = 4_096
/** How often Node checks for connections that are late with their headers. */
const HEADERS_CHECK_MS = 250
const TLS_VERSION_MIN = 'TLSv1.2'

/**
 * Makes a server that keeps to the limits of the handshake; it does not listen yet.
 * @throws Error in one line for a certificate that cannot be used.
 */
export function createHttpServer({ tls, limits }: HttpServerOptions): Server {
  const common = {
    headersTimeout: limits.handshakeTime,
    requestTimeout: limits.handshakeTime,
    connectionsCheckingInterval: HEADERS_CHECK_MS,
    maxHeaderSize: limits.handshakeHeaderBytes,
    noDelay: true,
  }
  if (tls === null) return createServer(common)
  return usable(() =>
    createTlsServer({ ...common, ...secureContext(tls), handshakeTimeout: limits.handshakeTime }),
  )
}

/**
 * Has the server show another certificate to connections that come from now on.
 * @throws Error in one line for a certificate that cannot be used, or a server without TLS; then nothing changes.
 */
export function renewCertificate(server: Server, tls: TlsFiles): void {
  if (!(server instanceof TlsServer)) throw new Error('the port has no TLS')
  usable(() => server.setSecureContext(secureContext(tls)))
}

function secureContext({ certificate, privateKey }: TlsFiles) {
  return { cert: certificate, key: privateKey, minVersion: TLS_VERSION_MIN } as const
}

function usable<T>(use: () => T): T {
  try {
    return use()
  } catch (error) {
    throw new Error(
      `websocket.certificate, websocket.private_key: not a usable pair: ${(error as Error).message}`,
      { cause: error },
    )
  }
}

/** Ends a request that must not be upgraded, before the protocols are switched. */
export function rejectUpgrade(socket: Socket, status: number, extraHeaders = ''): void {
  const body = `${STATUS_CODES[status] ?? ''}\n`
  socket.on('error', () => socket.destroy())
  socket.once('finish', () => socket.destroy())
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${extraHeaders}Connection: close\r\n` +
      `Content-Type: text/plain\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  )
}

/** Why the request of a connection never became one, and the status that its client is told. */
interface FailedRequest {
  /** null: no answer, because the failure lies below HTTP. */
  readonly status: number | null
  /** null: the client has gone, which is no refusal. */
  readonly reason: Extract<HandshakeRefusal, 'timeout' | 'too-large' | 'malformed'> | null
}

/** By the codes of Node's errors. */
const FAILED_REQUESTS: ReadonlyMap<string, FailedRequest> = new Map([
  ['ERR_HTTP_REQUEST_TIMEOUT', { status: 408, reason: 'timeout' }],
  ['ERR_TLS_HANDSHAKE_TIMEOUT', { status: null, reason: 'timeout' }],
  ['HPE_HEADER_OVERFLOW', { status: 431, reason: 'too-large' }],
  ['ECONNRESET', { status: null, reason: null }],
  ['EPIPE', { status: null, reason: null }],
])
const HTTP_FAULT: FailedRequest = { status: 400, reason: 'malformed' }
const TLS_FAULT: FailedRequest = { status: null, reason: 'malformed' }
/** How the codes of Node's HTTP parser begin. */
const PARSER_PREFIX = 'HPE_'

/** Ends a connection whose request cannot be read, as Node does of itself, and returns why. */
export function failRequest(error: Error, socket: Socket): FailedRequest['reason'] {
  const code = errorCode(error)
  const other = code.startsWith(PARSER_PREFIX) ? HTTP_FAULT : TLS_FAULT
  const { status, reason } = FAILED_REQUESTS.get(code) ?? other
  if (status !== null && socket.writable) rejectUpgrade(socket, status)
  else socket.destroy()
  return reason
}

/** Answers a plain request: this port speaks WebSocket only. */
export function answerPlainRequest(response: ServerResponse): void {
  const body = 'This is a WebSocket service: connect with ws:// or wss://.\n'
  response.writeHead(426, {
    Upgrade: 'websocket',
    Connection: 'close, Upgrade',
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': body.length,
  })
  response.end(body)
}

/** Resolves when connections are accepted; rejects with one line that says what is wrong and what to do. */
export function listen(server: Server, { listen: host, port, log }: HttpServerOptions): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.on('error', (error: NodeJS.ErrnoException) => {
      // Later errors concern single connections (no file descriptor left): the next may be accepted again.
      if (server.listening) log.warn({ error: error.message }, 'cannot accept a connection')
      else reject(listenError(error, host, port, LISTEN_KEYS))
    })
    server.listen({ host, port, backlog: BACKLOG }, () => {
      resolve(server.address() as AddressInfo)
    })
  })
}

/** Accepts no further connections; those that have not sent their request yet may still do so. Idempotent. */
export function stopListening(server: Server): void {
  if (!server.listening) return
  // That of node:http would cut the connections whose request has not come.
  NetServer.prototype.close.call(server)
}
