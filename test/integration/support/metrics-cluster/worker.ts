/**
 * A worker whose work is to count requests: GET / counts one and answers the pid. GET /stay is answered only
 * when the worker is told to close what is left: it stands for a session that does not leave, and is counted as one.
 */
import { ignoreGroupSignals, PrimaryLink } from '@wazo-websocketd/edge/process/primary-link'
import { sessionMetrics } from '@wazo-websocketd/edge/session/metrics'
import { systemClock } from '@wazo-websocketd/shared/runtime/clock'
import { Metrics } from '@wazo-websocketd/shared/runtime/metrics'
import { listenError } from '@wazo-websocketd/shared/runtime/startup-error'
import { createServer, type ServerResponse } from 'node:http'

ignoreGroupSignals()
const link = new PrimaryLink(systemClock)
const { setup, place } = await link.receiveAssignment()
const { port } = setup as { port: number }
const metrics = new Metrics({ worker: `${place.slot}` })
const sessions = sessionMetrics(metrics, `${place.slot}`)
const requests = metrics.counter({ name: 'requests_total', help: 'Requests.' })
const latency = metrics.histogram({ name: 'latency_seconds', help: 'Latency.', buckets: [1] })
const alive = metrics.gauge({ name: 'alive', help: 'Workers that push.' })
alive.set(1)

const staying = new Set<ServerResponse>()
const server = createServer((request, response) => {
  response.setHeader('connection', 'close')
  if (request.url === '/stay') {
    staying.add(response)
    sessions.opened(2)
    return
  }
  requests.inc()
  latency.observe(0.5)
  response.end(String(process.pid))
})

link.handle({
  drain({ timeoutMs }) {
    server.close()
    if (staying.size === 0) void link.finish()
    else systemClock.after(timeoutMs, closeNow)
  },
  closeNow,
})
link.pushMetrics(() => metrics.snapshot())
link.reportNotReady(['listener'])
server.once('error', (error) => {
  const { message, status } = listenError(error, '127.0.0.1', port, 'websocket.listen or websocket.port')
  void link.fatal(message, status)
})
server.listen({ host: '127.0.0.1', port }, () => link.reportNotReady([]))

function closeNow(): void {
  for (const response of staying) {
    response.end('going away')
    sessions.closed(2, 1001)
  }
  staying.clear()
  void link.finish()
}
