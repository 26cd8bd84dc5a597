import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import { sleep } from '@wazo-websocketd/shared/runtime/sleep'
import { WebSocketServer } from 'ws'
import type { FrameBytes } from '../deliver/frame.js'
import type { ConnectionHandler } from '../session/ports.js'
import { PeerWebSocket, WsAdapter, type AdapterContext } from './adapter.js'
import { ConnectRate } from './connect-rate.js'
import { ClientAddress } from './client-address.js'
import { Heartbeat } from './heartbeat.js'
import { InboundWindows } from './inbound-windows.js'
import {
  answerPlainRequest,
  createHttpServer,
  listen,
  failRequest,
  rejectUpgrade,
  renewCertificate,
  stopListening,
  type TlsFiles,
  type HttpServerOptions,
} from './http-server.js'
import { PendingUpgrades } from './pending-upgrades.js'
import { OriginPolicy } from './origin.js'
import type { SocketLimits } from './limits.js'
import type { SocketMetrics } from './metrics.js'
import { SocketRoom } from './room.js'
import { SendBuffers } from './send-buffers.js'
import { attach, canAttach, type DetachedConnection } from './detach/attach.js'

export interface SocketServerOptions extends HttpServerOptions {
  /** null: any. */
  readonly allowedOrigins: readonly string[] | null
  readonly trustedProxies: readonly string[]
  /** Milliseconds. */
  readonly pingInterval: number
  /** Whether clients may compress what they send; the server never does. */
  readonly permessageDeflate: boolean
  readonly limits: SocketLimits
  readonly clock: Clock
  readonly metrics: SocketMetrics
  readonly frameBytes: FrameBytes
  readonly onConnection: ConnectionHandler
  /** Answers other requests than upgrades; false: it does not know the request. */
  readonly onRequest?: (request: IncomingMessage, response: ServerResponse) => boolean
}

/** After so long the socket of a client that does not answer a close frame is destroyed. */
const CLOSE_HANDSHAKE_MS = 5_000
/** How often the server looks whether all requests have come. */
const SETTLE_CHECK_MS = 20
/** Pieces in which one message of a client may arrive from the network. */
const BUFFERED_CHUNKS_MAX = 4_096

/** The WebSocket port of a worker. */
export interface SocketServer {
  /** Resolves when connections are accepted. Rejects with one clear line when the port cannot be had. */
  listen(): Promise<AddressInfo>
  /** Accepts no further connections; open ones stay. Idempotent. */
  stopListening(): void
  /**
   * Resolves when each connection that was accepted has sent its request, after `msMax`, or once `signal` is aborted.
   * Those that still have not are ended.
   */
  settle(msMax: number, signal: AbortSignal): Promise<void>
  /**
   * Shows this certificate to connections that come from now on; those that are open stay.
   * @throws Error in one line when it cannot be used.
   */
  renewCertificate(tls: TlsFiles): void
  /** Whether `attach` works with this process's `ws`. */
  readonly canAttach: boolean
  /** Goes on with a connection that another process upgraded; the caller listens to it in the same tick. */
  attach(connection: DetachedConnection): WsAdapter
}

/** @throws Error in one line for a certificate or proxy that cannot be used. */
export function createSocketServer(options: SocketServerOptions): SocketServer {
  const { limits, clock, metrics, log, frameBytes } = options
  const server = createHttpServer(options)
  const pendingUpgrades = new PendingUpgrades({
    limit: limits.incompleteUpgrades,
    handshakeTime: limits.handshakeTime,
    clock,
    dropped: () => metrics.handshakeRefused('incomplete'),
  })
  const context: AdapterContext = {
    clock,
    heartbeat: new Heartbeat({ clock, pingInterval: options.pingInterval, pongTime: limits.pongTime }),
    buffers: new SendBuffers({ clock, limits, metrics, frameBytes }),
    inbound: new InboundWindows({ clock, limits }),
    metrics,
  }
  const webSockets = createWebSockets(options)
  const clients: Clients = {
    addresses: new ClientAddress(options.trustedProxies),
    rate: new ConnectRate({ perSecond: limits.connectsPerIpPerSecond, clock }),
  }
  const upgrade = upgradeHandler(options, clients, webSockets, context)
  const room = new SocketRoom(server, limits.socketsPerWorker)
  server.on('drop', () => metrics.handshakeRefused('too-many-connections'))
  server.on('connection', (socket: Socket) => {
    const direct = clients.addresses.direct(socket.remoteAddress)
    if (direct === null || clients.rate.admits(direct)) {
      pendingUpgrades.add(socket)
      return
    }
    metrics.handshakeRefused('connect-rate')
    socket.destroy()
  })
  server.on('request', (request, response) => {
    pendingUpgrades.complete(request.socket)
    if (options.onRequest?.(request, response) !== true) answerPlainRequest(response)
  })
  server.on('upgrade', (request: IncomingMessage, _socket: Duplex, head: Buffer) => {
    pendingUpgrades.complete(request.socket)
    upgrade(request, head)
  })
  // Failed TLS handshakes come here as well.
  server.on('clientError', (error: Error, socket: Socket) => {
    const reason = failRequest(error, socket)
    if (reason !== null) metrics.handshakeRefused(reason)
  })
  server.on('tlsClientError', (error: Error) => {
    log.debug({ error: error.message }, 'TLS handshake failed')
  })
  return {
    listen: () => listen(server, options),
    stopListening: () => stopListening(server),
    settle: async (msMax, signal) => {
      const until = clock.monotonic() + msMax
      while (pendingUpgrades.size > 0 && clock.monotonic() < until && !signal.aborted)
        await sleep(clock, SETTLE_CHECK_MS, signal)
      server.closeIdleConnections()
    },
    renewCertificate: (tls) => renewCertificate(server, tls),
    canAttach: canAttach(webSockets.options),
    // With the defaults that `ws` has added to ours.
    attach: (connection) => {
      const adapter = attach(connection, webSockets.options, context)
      room.occupy(adapter.transport.stream)
      return adapter
    },
  }
}

/** What is known of clients by their addresses. */
interface Clients {
  readonly addresses: ClientAddress
  readonly rate: ConnectRate
}

function upgradeHandler(
  options: SocketServerOptions,
  { addresses, rate }: Clients,
  webSockets: ReturnType<typeof createWebSockets>,
  context: AdapterContext,
) {
  const { metrics, onConnection } = options
  const origins = new OriginPolicy(options.allowedOrigins)
  return (request: IncomingMessage, head: Buffer): void => {
    const { headers, socket, url = '/' } = request
    if (headers.upgrade?.toLowerCase() !== 'websocket') {
      rejectUpgrade(socket, 426, 'Upgrade: websocket\r\n')
      return
    }
    if (!origins.permits(headers.origin)) {
      metrics.handshakeRefused('origin')
      rejectUpgrade(socket, 403)
      return
    }
    const address = addresses.of(socket.remoteAddress, single(headers['x-forwarded-for']))
    if (addresses.direct(socket.remoteAddress) === null && !rate.admits(address)) {
      metrics.handshakeRefused('connect-rate')
      rejectUpgrade(socket, 429)
      return
    }
    const tokenHeader = single(headers['x-auth-token'])
    webSockets.handleUpgrade(request, socket, head, (ws) => {
      const adapter = new WsAdapter(ws, socket, context)
      adapter.listen(onConnection(adapter, { url, tokenHeader, address }))
    })
  }
}

function createWebSockets({ permessageDeflate, limits }: SocketServerOptions) {
  // `closeTimeout` and the bounds on pieces are newer than the types of `ws`.
  const options = {
    noServer: true,
    WebSocket: PeerWebSocket,
    clientTracking: false,
    perMessageDeflate: permessageDeflate,
    skipUTF8Validation: false,
    maxPayload: limits.clientFrameBytes,
    maxFragments: limits.clientFragments,
    maxBufferedChunks: BUFFERED_CHUNKS_MAX,
    maxPendingAutoPongs: limits.controlFramesBurst,
    autoPong: true,
    allowSynchronousEvents: true,
    closeTimeout: CLOSE_HANDSHAKE_MS,
  }
  return new WebSocketServer(options)
}

function single(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header.join(',') : header
}
