/** An ingest within the test's own process: its timings can be short, and its inside can be looked at. */
import { Redis } from 'ioredis'
import { pino } from 'pino'
import { assemble, type AssemblyOptions } from '@wazo-websocketd/ingest/assemble'
import { BrokerHosts } from '@wazo-websocketd/ingest/broker/hosts'
import { RedisConnection } from '@wazo-websocketd/ingest/publish/redis-connection'
import { ingestMetrics, type IngestMetrics, type MessageResult } from '@wazo-websocketd/ingest/metrics'
import type { IngestState } from '@wazo-websocketd/shared/domain/envelope'
import { systemClock } from '@wazo-websocketd/shared/runtime/clock'
import { Metrics } from '@wazo-websocketd/shared/runtime/metrics'

export interface LocalIngest {
  readonly results: Map<MessageResult, number>
  readonly log: string[]
  state(): IngestState
  epoch(): string | null
  publishes(): boolean
  stop(): Promise<void>
}

export interface LocalOptions extends Partial<AssemblyOptions> {
  readonly amqpUrl: string
  readonly redisUrl: string
}

export function startLocalIngest({ amqpUrl, redisUrl, timings, ...over }: LocalOptions): LocalIngest {
  const { hostname, port, pathname } = new URL(amqpUrl)
  const results = new Map<MessageResult, number>()
  const log: string[] = []
  let publishing = false
  const metrics: IngestMetrics = {
    ...ingestMetrics(new Metrics({ defaults: false })),
    publishing: (is) => (publishing = is),
    messages: (result, count) => results.set(result, (results.get(result) ?? 0) + count),
  }
  const link = new RedisConnection(
    { where: 'there', callTimeoutMs: 1000, readyTimeoutMs: 2000, renewIntervalMs: 500 },
    systemClock,
    () => {
      const client = new Redis(redisUrl, {
        enableOfflineQueue: false,
        autoResendUnfulfilledCommands: false,
        maxRetriesPerRequest: 0,
        retryStrategy: () => 50,
      })
      client.on('error', () => undefined)
      return client
    },
  )
  const { ingest, status } = assemble(
    {
      broker: {
        hosts: new BrokerHosts([`${hostname}:${port}`]),
        tls: null,
        username: 'guest',
        password: 'guest',
        vhost: decodeURIComponent(pathname.slice(1)),
        heartbeat: 5,
      },
      topology: {
        stream: 'wazo-websocketd.v1',
        exchange: 'wazo-headers',
        exchangeType: 'headers',
        legacyExchange: 'xivo',
      },
      prefetch: 250,
      prefix: 'wazo-ws',
      partitions: 1,
      sharded: false,
      historyMs: 120_000,
      redisGraceMs: 3_000,
      historyBytes: 64 * 1024 ** 2,
      origin: null,
      bodyBytesMax: 1024 ** 2,
      ...over,
      timings: {
        beatMs: 200,
        canaryTimeoutMs: 1000,
        messageTimeoutMs: 600,
        emptyWaitMs: 300,
        foreignWaitMs: 1000,
        ...timings,
      },
    },
    { redis: link, clock: systemClock, log: pino({}, { write: (line) => void log.push(line) }), metrics },
  )
  const end = new AbortController()
  const running = ingest.run(end.signal)
  return {
    results,
    log,
    state: () => status.state,
    epoch: () => status.epoch,
    publishes: () => publishing,
    async stop() {
      end.abort()
      await running
      link.stop()
    },
  }
}
