/** The least that brings an event from a stream of RabbitMQ to a client: amqplib and `ws.send`. No rights, no recovery. */
import { createServer } from 'node:http'
import { WebSocketServer } from 'ws'
import { listen } from './bus.js'
import { servePair } from './pair.js'

servePair(async ({ amqpUrl = '', exchange = '' }) => {
  const server = createServer()
  const upgrader = new WebSocketServer({ server, perMessageDeflate: false })
  upgrader.on('connection', (client) => client.on('error', () => undefined))
  await listen(amqpUrl, exchange, 'stream', ({ content }) => {
    const text = content.toString()
    for (const client of upgrader.clients) client.send(text)
  })
  return { server }
})
