import { encodeBatch, encodeState } from '@wazo-websocketd/shared/domain/envelope'
import type { Epoch, Offset } from '@wazo-websocketd/shared/domain/position'
import { systemClock } from '@wazo-websocketd/shared/runtime/clock'
import type { HostPort } from '@wazo-websocketd/shared/runtime/host-port'
import { RedisNodes } from '@wazo-websocketd/shared/redis/nodes'
import { keys, SEED_SCRIPT } from '@wazo-websocketd/shared/redis/layout'
import type { RedisBusOptions } from '@wazo-websocketd/edge/bus/bus'
import { Cluster, Redis } from 'ioredis'
import { event } from '../../support/fakes/batches.js'
import { Listening, PREFIX } from './edge-bus.js'
import { sleep } from '../../support/wait.mjs'

const EPOCH = 'epoch-1' as Epoch
const COMMAND_MS_MAX = 1_000
const BETWEEN_EVENTS_MS = 20
const RETRY_MS = 100

/** A compare-and-set as that of an ingest, whose channel is no key. Answers the head. */
const PUBLISH = `
local head = redis.call('HGET', KEYS[1], 'head')
if head ~= ARGV[1] then return head end
redis.call('XADD', KEYS[2], ARGV[2] .. '-1', 'b', ARGV[3])
redis.call('HSET', KEYS[1], 'head', ARGV[2])
redis.call('SPUBLISH', ARGV[4], ARGV[3])
return ARGV[2]
`

/** Publishes one numbered event after another in each partition, whatever becomes of the other partitions. */
export class ClusterIngest {
  /** By partition: up to where events were published. */
  readonly heads: Offset[]
  private readonly clients: Cluster[]
  private readonly nodes: { host: string; port: number }[]
  private running = true

  private constructor(addresses: readonly string[], partitions: number) {
    this.nodes = nodesOf(addresses)
    this.heads = Array.from({ length: partitions }, () => 0)
    this.clients = this.heads.map(() => this.connect())
  }

  static async start(addresses: readonly string[], partitions = 1): Promise<ClusterIngest> {
    const ingest = new ClusterIngest(addresses, partitions)
    for (let p = 0; p < partitions; p++) {
      const { meta, log } = keys(PREFIX, p)
      await ingest.clients[p]!.del(meta, log)
      await ingest.clients[p]!.eval(SEED_SCRIPT, 2, meta, log, EPOCH, 0, '00', 'stream', partitions, 0)
      void ingest.publish(p)
      void ingest.beat(p)
    }
    return ingest
  }

  stop(): void {
    this.running = false
    for (const client of this.clients) client.disconnect()
  }

  private async publish(p: number): Promise<void> {
    const { meta, log, live } = keys(PREFIX, p)
    while (this.running) {
      const [prev, last] = [this.heads[p]!, this.heads[p]! + 1]
      const bytes = Buffer.from(encodeBatch({ epoch: EPOCH, prev, last, events: [event(last)] }))
      try {
        this.heads[p] = Number(await this.clients[p]!.eval(PUBLISH, 2, meta, log, prev, last, bytes, live))
        await sleep(BETWEEN_EVENTS_MS)
      } catch {
        this.clients[p]!.disconnect()
        await sleep(RETRY_MS)
        this.clients[p] = this.connect()
      }
    }
  }

  private async beat(p: number): Promise<void> {
    while (this.running) {
      const state = encodeState({ ingest: 'i', epoch: EPOCH, state: 'up', heads: this.heads })
      const said = this.clients[p]!.spublish(keys(PREFIX, p).live, Buffer.from(state))
      said.catch(() => undefined)
      await sleep(1_000)
    }
  }

  private connect(): Cluster {
    const client = new Cluster(this.nodes, {
      slotsRefreshTimeout: 300,
      redisOptions: { commandTimeout: COMMAND_MS_MAX, maxRetriesPerRequest: 0 },
    })
    return client.on('error', () => undefined)
  }
}

/** A bus over a Redis Cluster. */
export function listeningTo(addresses: readonly string[], options: Partial<RedisBusOptions> = {}): Listening {
  const connect = (node: HostPort | null): Redis =>
    new Redis({ ...node, retryStrategy: () => null, maxRetriesPerRequest: null }).on('error', () => undefined)
  const nodes = new RedisNodes({ seeds: addresses, connect, clock: systemClock })
  return new Listening('', options, {
    locate: (key) => nodes.ownerOf(key),
    readyMsMax: 1_500,
    create: (_role, node) => connect(node),
  })
}

function nodesOf(addresses: readonly string[]): { host: string; port: number }[] {
  return addresses.map((address) => ({ host: '127.0.0.1', port: Number(address.split(':')[1]) }))
}

/** Counts what comes, checks that nothing is left out or doubled, and measures the longest wait. */
export class Watch {
  readonly gaps: string[] = []
  longestMs = 0
  private last: Offset | null = null
  private at = 0

  take(offset: Offset): void {
    const now = performance.now()
    if (this.last !== null) {
      if (offset !== this.last + 1) this.gaps.push(`${this.last} -> ${offset}`)
      this.longestMs = Math.max(this.longestMs, now - this.at)
    }
    this.last = offset
    this.at = now
  }
}
