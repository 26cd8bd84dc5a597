/** A server's end of a WebSocket connection as the edge makes it, and a client that speaks bytes. */
import { createServer, type Server } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { once } from 'node:events'
import { PeerWebSocket, WsAdapter, type AdapterContext } from '@wazo-websocketd/edge/socket/adapter'
import { FrameBytes } from '@wazo-websocketd/edge/deliver/frame'
import { Heartbeat } from '@wazo-websocketd/edge/socket/heartbeat'
import { InboundWindows } from '@wazo-websocketd/edge/socket/inbound-windows'
import { SendBuffers } from '@wazo-websocketd/edge/socket/send-buffers'
import { WebSocketServer } from 'ws'
import { FakeClock } from './fakes/clock.js'
import { sleep, waitFor } from './wait.mjs'

const LIMIT = 1e9

export class Pair {
  readonly clock = new FakeClock()
  readonly context: AdapterContext = {
    clock: this.clock,
    heartbeat: new Heartbeat({ clock: this.clock, pingInterval: 1_000, pongTime: 3_000 }),
    buffers: new SendBuffers({
      clock: this.clock,
      limits: {
        sendBufferSoftBytes: LIMIT,
        sendBufferSoftTime: LIMIT,
        sendBufferHardBytes: LIMIT,
        sendBufferWorkerBytes: LIMIT,
      },
      metrics: { sendBuffer: () => undefined, slowConsumer: () => undefined },
      frameBytes: new FrameBytes(),
    }),
    inbound: new InboundWindows({
      clock: this.clock,
      limits: {
        clientReadsPerSecond: LIMIT,
        clientFramesPerSecond: LIMIT,
        clientBytesPerSecond: LIMIT,
        controlFramesPerSecond: LIMIT,
        controlFramesBurst: LIMIT,
        closingBytes: LIMIT,
      },
    }),
    metrics: { flooding: () => undefined, readsHeld: () => undefined },
  }
  /** What the session hears. */
  readonly heard: string[] = []
  readonly client: Socket
  readonly webSockets: WebSocketServer
  readonly http: Server
  adapter!: WsAdapter
  received = Buffer.alloc(0)
  clientEnded = false

  private constructor(http: Server, webSockets: WebSocketServer, client: Socket) {
    this.http = http
    this.webSockets = webSockets
    this.client = client
    client.on('data', (data) => (this.received = Buffer.concat([this.received, data])))
    client.on('error', () => undefined)
    client.on('close', () => (this.clientEnded = true))
  }

  static async open({ host = '127.0.0.1', perMessageDeflate = false } = {}): Promise<Pair> {
    const webSockets = new WebSocketServer({
      noServer: true,
      WebSocket: PeerWebSocket as never,
      clientTracking: false,
      perMessageDeflate,
      maxPayload: 1 << 16,
    })
    const http = createServer({ noDelay: true })
    http.listen(0, host)
    await once(http, 'listening')
    const client = connect((http.address() as AddressInfo).port, host)
    const pair = new Pair(http, webSockets, client)
    const upgraded = new Promise<void>((resolve) =>
      http.on('upgrade', (request, _socket, head: Buffer) =>
        webSockets.handleUpgrade(request, request.socket, head, (ws) => {
          pair.take(new WsAdapter(ws, request.socket, pair.context))
          resolve()
        }),
      ),
    )
    const extension = perMessageDeflate ? 'Sec-WebSocket-Extensions: permessage-deflate\r\n' : ''
    client.write(
      `GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n` +
        `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${extension}\r\n`,
    )
    await upgraded
    await eventually(() => pair.received.includes('\r\n\r\n'))
    pair.received = Buffer.alloc(0)
    return pair
  }

  /** Makes `adapter` the one whose events count. */
  take(adapter: WsAdapter): WsAdapter {
    this.adapter = adapter
    adapter.listen({
      text: (text) => void this.heard.push(text),
      binary: () => void this.heard.push('<binary>'),
      closed: (code) => void this.heard.push(`<closed ${code}>`),
    })
    return adapter
  }

  close(): void {
    this.client.destroy()
    this.adapter.timedOut()
    this.http.close()
  }
}

/** Whether the condition comes to hold within three seconds. */
export function eventually(condition: () => boolean, timeoutMs = 3_000): Promise<boolean> {
  return waitFor(condition, { timeoutMs, everyMs: 2 }).catch(() => false)
}

/** Some turns of the event loop, for what must not happen. */
export async function turns(): Promise<void> {
  await sleep(60)
}
