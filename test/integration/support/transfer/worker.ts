/**
 * A worker whose sessions answer the number that a client sends with the same number, and check that it follows
 * the one before. "flood" is answered with more than a socket takes. It listens on a port of its own, so that a
 * test decides where a connection starts.
 */
import { readdirSync } from 'node:fs'
import { HandoverReceiver } from '@wazo-websocketd/edge/handover/receiver'
import { primaryChannel } from '@wazo-websocketd/edge/handover/channel'
import {
  HandoverSender,
  type HandoverPayload,
  type HandoverRefusal,
} from '@wazo-websocketd/edge/handover/sender'
import { FrameBytes, frameString } from '@wazo-websocketd/edge/deliver/frame'
import type { SocketListener } from '@wazo-websocketd/edge/session/ports'
import { WsAdapter } from '@wazo-websocketd/edge/socket/adapter'
import { createSocketServer } from '@wazo-websocketd/edge/socket/server'
import { detach } from '@wazo-websocketd/edge/socket/detach/detach'
import { systemClock } from '@wazo-websocketd/shared/runtime/clock'
import { SOCKET_LIMITS } from '../../../support/edge-socket.js'
import type { Answers, Tally } from './messages.js'

const PATIENCE_MS = 300
const FLOOD_BYTES = 12 << 20

const [host] = process.argv.slice(2)
const sessions = new Set<Session>()
const endings: Tally = {}
let gaps = 0
let deaf = false

class Session implements SocketListener {
  private readonly adapter: WsAdapter
  private last: number

  constructor(adapter: WsAdapter, last: number) {
    this.adapter = adapter
    this.last = last
    sessions.add(this)
  }

  pause(): void {
    this.adapter.pause()
  }

  release(): HandoverPayload | HandoverRefusal {
    const released = detach(this.adapter)
    if ('transient' in released) return released
    return {
      ...released,
      state: { last: this.last },
      moved: () => {
        sessions.delete(this)
        released.moved()
      },
    }
  }

  binary(): void {
    gaps += 1
  }

  closed(code: number): void {
    sessions.delete(this)
    endings[code] = (endings[code] ?? 0) + 1
  }

  text(text: string): void {
    if (text === 'flood') {
      this.adapter.sendFrames([frameString('x'.repeat(FLOOD_BYTES))])
      return
    }
    const number = Number(text.split(' ', 1)[0])
    if (number !== this.last + 1) gaps += 1
    this.last = number
    this.adapter.sendFrames([frameString(`${text} ${process.pid}`)])
  }
}

const server = createSocketServer({
  frameBytes: new FrameBytes(),
  listen: host!,
  // Workers of a cluster that ask for any port share one.
  port: Number(process.env['TEST_PORT']),
  tls: null,
  allowedOrigins: null,
  trustedProxies: [],
  pingInterval: 1_000,
  permessageDeflate: true,
  limits: SOCKET_LIMITS,
  clock: systemClock,
  log: { debug: () => undefined, warn: () => undefined } as never,
  metrics: {
    handshakeRefused: () => undefined,
    sendBuffer: () => undefined,
    slowConsumer: () => undefined,
    flooding: () => undefined,
    readsHeld: () => undefined,
  },
  onConnection: (socket) => {
    if (!(socket instanceof WsAdapter)) throw new Error('the server has other sockets now')
    return new Session(socket, 0)
  },
})

const departures = new HandoverSender({
  channel: primaryChannel,
  clock: systemClock,
  patienceMs: PATIENCE_MS,
})
new HandoverReceiver(primaryChannel, {
  canAccept: () => !deaf,
  receive: ({ handle, head, state }) => {
    const adapter = server.attach({ handle, head })
    adapter.listen(new Session(adapter, (state as { last: number }).last))
  },
})

async function moveAll(): Promise<Tally> {
  const tally: Tally = {}
  const all = await Promise.all([...sessions].map((session) => departures.send(() => session.release())))
  for (const how of all) tally[how] = (tally[how] ?? 0) + 1
  return tally
}

function answer(answers: Answers): void {
  process.send!({ answers })
}

process.on('message', ({ what }: { what?: string }) => {
  if (what === 'move') void moveAll().then((tally) => answer({ tally }))
  if (what === 'facts')
    answer({ facts: { fds: readdirSync('/proc/self/fd').length, sessions: sessions.size, gaps, endings } })
  if (what === 'deafen') {
    deaf = true
    answer({})
  }
  if (what === 'pause') {
    for (const session of sessions) session.pause()
    answer({})
  }
})

answer({ port: (await server.listen()).port })
