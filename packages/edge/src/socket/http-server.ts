import { createServer, STATUS_CODES, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Logger } from 'pino'
import type { SocketLimits } from './limits.js'

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

/** Connections that the kernel completes while the server is busy. */
const BACKLOG = 4_096
/** How often Node checks for connections that are late with their headers. */
const HEADERS_CHECK_MS = 250

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
  try {
    return createTlsServer({
      ...common,
      cert: tls.certificate,
      key: tls.privateKey,
      handshakeTimeout: limits.handshakeTime,
    })
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
      else reject(new Error(explain(error, host, port)))
    })
    server.listen({ host, port, backlog: BACKLOG }, () => {
      resolve(server.address() as AddressInfo)
    })
  })
}

function explain(error: NodeJS.ErrnoException, host: string, port: number): string {
  const where = `websocket.listen ${host}, websocket.port ${port}`
  switch (error.code) {
    case 'EADDRINUSE':
      return `${where}: the port is in use; stop the other program or choose another port`
    case 'EACCES':
      return `${where}: not permitted; ports below 1024 need privileges`
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return `${where}: this machine has no such address`
    default:
      return `${where}: ${error.message}`
  }
}

/** Accepts no further connections; idempotent. */
export function stopListening(server: Server): void {
  if (!server.listening) return
  // Without a callback: it comes when the last connection is gone, and the drain waits for those.
  server.close()
  server.closeIdleConnections()
}
