/** Socket.IO with the Redis adapter, WebSocket only; each client stands in the room of its tenant. */
import { createServer } from 'node:http'
import { createAdapter } from '@socket.io/redis-adapter'
import { Redis } from 'ioredis'
import { Server } from 'socket.io'
import { TENANT } from '../load/event.js'
import { servePair } from './pair.js'

servePair(({ redisUrl = '' }) => {
  const server = createServer()
  const publisher = new Redis(redisUrl)
  const io = new Server(server, {
    transports: ['websocket'],
    perMessageDeflate: false,
    serveClient: false,
    pingInterval: 30_000,
    adapter: createAdapter(publisher, publisher.duplicate()),
  })
  io.on('connection', (socket) => void socket.join(TENANT))
  return Promise.resolve({ server })
})
