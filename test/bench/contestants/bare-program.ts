/**
 * The floor: bare `ws`, no bus, no Redis, no rights. With `way` `raw` (F0) one frame, built beforehand, is written to
 * each raw socket; with `send` (F1) it is `ws.send(string)`.
 */
import { createServer } from 'node:http'
import type { Socket } from 'node:net'
import { WebSocketServer, type WebSocket } from 'ws'
import { makeEvent } from '../load/event.js'
import { paced } from '../load/pace.js'
import { servePair } from './pair.js'

servePair(({ way = 'raw' }) => {
  const sockets: Socket[] = []
  const clients: WebSocket[] = []
  const server = createServer()
  const upgrader = new WebSocketServer({ noServer: true, clientTracking: false, perMessageDeflate: false })
  server.on('upgrade', (request, socket: Socket, head) => {
    upgrader.handleUpgrade(request, socket, head, (client) => {
      client.on('message', () => undefined)
      client.on('error', () => undefined)
      client.on('close', () => {
        remove(sockets, socket)
        remove(clients, client)
      })
      sockets.push(socket)
      clients.push(client)
    })
  })
  const { body } = makeEvent({ user: null, acls: [null] }, 0, 0)
  const text = `{"op":"event","code":0,"data":${body.toString()}}`
  const frame = frameOf(text)
  const raw = () => {
    for (const socket of sockets) socket.write(frame)
  }
  const send = () => {
    for (const client of clients) client.send(text)
  }
  return Promise.resolve({ server, run: (pace) => paced(pace, way === 'raw' ? raw : send) })
})

function frameOf(text: string): Buffer {
  const payload = Buffer.from(text)
  const head = Buffer.of(0x81, 126, 0, 0)
  head.writeUInt16BE(payload.length, 2)
  return Buffer.concat([head, payload])
}

function remove<T>(list: T[], one: T): void {
  const at = list.indexOf(one)
  const last = list.pop()
  if (at !== -1 && at < list.length && last !== undefined) list[at] = last
}
