/** What brings the bus to Socket.IO: an amqplib consumer and the Redis emitter. */
import { Emitter } from '@socket.io/redis-emitter'
import { Redis } from 'ioredis'
import { answerParent } from '../hot-path/peer.js'
import { EVENT_NAME } from '../load/dialect.js'
import { listen } from './bus.js'

export interface ToFeed {
  readonly amqpUrl: string
  readonly exchange: string
  readonly redisUrl: string
}

answerParent(async (asked) => {
  const { amqpUrl, exchange, redisUrl } = asked as ToFeed
  const emitter = new Emitter(new Redis(redisUrl))
  await listen(amqpUrl, exchange, 'classic', ({ content, properties }) => {
    const tenant = String(properties.headers?.['tenant_uuid'])
    emitter.to(tenant).emit(EVENT_NAME, JSON.parse(content.toString()))
  })
  return process.pid
})
