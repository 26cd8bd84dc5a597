/** The ways of hearing what is published. */
import { RedisBus } from '@wazo-websocketd/edge/bus/bus'
import { RedisConnections } from '@wazo-websocketd/shared/redis/connections'
import { decode } from '@wazo-websocketd/shared/domain/envelope'
import type { BusEvent } from '@wazo-websocketd/shared/domain/event'
import { systemClock as clock } from '@wazo-websocketd/shared/runtime/clock'
import { RedisFactory } from '@wazo-websocketd/shared/redis/client'
import { keys } from '@wazo-websocketd/shared/redis/layout'
import type { Redis } from 'ioredis'
import { once } from 'node:events'
import { pino } from 'pino'
import { PREFIX, type Way } from './plan.js'

/** One that is subscribed. */
export interface Listener {
  /** What went wrong, if anything did. */
  fault(): string | null
  close(): void
}

const logger = pino({ level: 'silent' })

/** Every event goes to `hear`, in the order in which it comes. */
export function openListener(way: Way, url: string, hear: (event: BusEvent) => void): Promise<Listener> {
  return way === 'ours' ? ours(url, hear) : minimal(url, hear)
}

/** The reading side of an edge worker, put together as the worker does it. */
async function ours(url: string, hear: (event: BusEvent) => void): Promise<Listener> {
  const factory = new RedisFactory({ url, cluster: null, logger, clock })
  const faults: string[] = []
  const metrics = {
    recovery: (result: string) => void faults.push(`a recovery: ${result}`),
    unreadable: () => void faults.push('an unreadable message'),
  }
  const connections = new RedisConnections({
    servers: {
      locate: null,
      readyMsMax: 3_000,
      create: (role, node) => factory.connectOnce(role, { node, failFast: role === 'commands' }),
    },
    clock,
    outage: factory.outage,
    connected: () => undefined,
  })
  const bus = new RedisBus({
    prefix: PREFIX,
    partitions: 1,
    lostGraceMs: 2_000,
    silenceGraceMs: 30_000,
    redisLostGraceMs: 30_000,
    connections,
    clock,
    logger,
    metrics,
    listener: {
      events(_partition, events) {
        for (const event of events) hear(event)
      },
      lost: (_partition, why) => void faults.push(`lost: ${why}`),
      readinessChanged: () => undefined,
    },
  })
  bus.start()
  const hold = bus.lease([0])
  await new Promise<void>((resolve) => hold.whenLive(resolve))
  return {
    fault: () => faults[0] ?? null,
    close() {
      hold.release()
      bus.stop()
      connections.stop()
      factory.close()
    },
  }
}

/** A plain subscriber that reads the same bytes. */
async function minimal(url: string, hear: (event: BusEvent) => void): Promise<Listener> {
  const factory = new RedisFactory({ url, cluster: null, logger, clock })
  const client = factory.create('subscriber') as Redis
  await once(client, 'ready')
  client.on('messageBuffer', (_channel: Buffer, bytes: Buffer) => {
    const message = decode(bytes)
    if (message.kind === 'batch') for (const event of message.open()) hear(event)
  })
  await client.subscribe(keys(PREFIX, 0).live)
  return { fault: () => null, close: () => factory.close() }
}
