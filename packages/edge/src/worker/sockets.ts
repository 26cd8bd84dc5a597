/** What a worker listens by. */
import { socketLimits } from '../config/limits.js'
import { consoleHandler } from '../console/console.js'
import type { Sessions } from '../session/sessions.js'
import { createSocketServer, type SocketServer } from '../socket/server.js'
import type { WorkerContext } from './context.js'

/** Makes the server of the WebSocket port, which gives its connections to `sessions`; it does not listen yet. */
export function workerSockets(context: WorkerContext, sessions: Sessions): SocketServer {
  const { setup, room, clock, log, counts, sessionLog, frameBytes } = context
  const { config, tls, workers } = setup
  return createSocketServer({
    listen: config.websocket.listen,
    port: config.websocket.port,
    tls,
    allowedOrigins: config.websocket.allowed_origins,
    trustedProxies: config.websocket.trusted_proxies,
    pingInterval: config.websocket.ping_interval * 1000,
    permessageDeflate: config.limits.permessage_deflate,
    limits: socketLimits(config, room, workers),
    clock,
    log,
    metrics: {
      ...counts.socket,
      handshakeRefused: (reason) => {
        counts.socket.handshakeRefused(reason)
        sessionLog.refused(reason)
      },
    },
    frameBytes,
    onConnection: sessions.connect,
    ...(config.console.enabled ? { onRequest: consoleHandler } : {}),
  })
}
