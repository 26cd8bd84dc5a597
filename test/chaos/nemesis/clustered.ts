import { setTimeout as sleep } from 'node:timers/promises'
import { keys } from '@wazo-websocketd/shared/redis/layout'
import { Redis } from 'ioredis'
import type { Server } from '../../support/cluster.js'
import { Wire } from '../../support/wire.js'
import { startRabbitCluster, type RabbitCluster } from '../../support/rabbitmq-cluster.mjs'
import type { Rabbit } from '../../support/rabbitmq.mjs'
import { askIfAlive } from '../../support/redis-ask.mjs'
import { startRedisCluster, type RedisCluster } from '../../support/redis-cluster.mjs'
import type { Brokers } from './brokers.js'
import { CLOSE_CONSUMING_CHANNELS, killClients, wipeQueue } from './commands.js'
import type { Fault } from './schedule.js'

const RABBITS = 3
const MASTERS = 3
const STREAM = 'wazo-websocketd.v1'
const { meta: META } = keys('wazo-ws', 0)

/** Three nodes of RabbitMQ, and a Redis Cluster of three masters with a replica each. */
export class Clustered implements Brokers {
  readonly rabbit: Rabbit
  readonly server: Server
  readonly config
  readonly redis: readonly string[]
  private readonly rabbits: RabbitCluster
  private readonly servers: RedisCluster
  /** Between the ingests and each node of RabbitMQ. */
  private readonly amqp: readonly Wire[]
  private vhost = ''

  private constructor(rabbits: RabbitCluster, servers: RedisCluster, amqp: readonly Wire[]) {
    this.rabbits = rabbits
    this.servers = servers
    this.amqp = amqp
    this.rabbit = rabbits.nodes[0]!
    this.server = servers.nodes[0]!
    this.redis = servers.addresses
    this.config = {
      bus: { hosts: amqp.map(({ port }) => `127.0.0.1:${port}`) },
      redis: { cluster: servers.addresses },
    }
  }

  static async start(): Promise<Clustered> {
    const rabbits = await startRabbitCluster({ size: RABBITS })
    const servers = await startRedisCluster(MASTERS, [], { replicas: 1 })
    return new Clustered(rabbits, servers, await Promise.all(rabbits.nodes.map(({ port }) => Wire.to(port))))
  }

  amqpUrls(vhost: string): string[] {
    this.vhost = vhost
    return this.rabbits.nodes.map(({ url }) => `${url}/${vhost}`)
  }

  reach(): Promise<Record<string, never>> {
    return Promise.resolve({})
  }

  inject(fault: Fault): Promise<void> | null {
    const { kind, lastsMs } = fault
    switch (kind) {
      case 'rabbit-leader-kill':
        return this.leader().then((leader) => this.killRabbit(leader, lastsMs))
      case 'rabbit-node-kill':
        return this.killRabbit(Math.floor(fault.aim * RABBITS), lastsMs)
      case 'rabbit-writer-kill':
        return this.killWriter()
      case 'amqp-reset':
        return this.resetAmqp()
      case 'amqp-channel':
        return this.closeChannels()
      case 'redis-master-kill':
        return this.killMaster(lastsMs)
      case 'redis-master-freeze':
        return this.freezeMaster(lastsMs)
      case 'redis-failover':
        return this.failOver()
      case 'redis-reshard':
        return this.reshard(fault)
      case 'redis-empty':
        return this.empty(lastsMs)
      case 'redis-clients':
        return this.withRedis(killClients).then(() => undefined)
      case 'expiry-wiped':
        return this.withRedis(wipeQueue).then(() => undefined)
      default:
        return null
    }
  }

  async withRedis<T>(use: (redis: Redis) => Promise<T>): Promise<T[]> {
    const results: T[] = []
    for (const node of this.servers.nodes) {
      const info = String(await askIfAlive(node, 'INFO', 'replication'))
      if (!info.includes('role:master')) continue
      const redis = new Redis(node.port)
      try {
        results.push(await use(redis))
      } finally {
        redis.disconnect()
      }
    }
    return results
  }

  async stop(): Promise<void> {
    await Promise.all([this.servers.stop(), ...this.amqp.map((wire) => wire.refuse())])
    await this.rabbits.stop()
  }

  private leader(): Promise<number> {
    return this.rabbits.leaderOf(this.vhost, STREAM)
  }

  private async killRabbit(index: number, ms: number): Promise<void> {
    const node = this.rabbits.nodes[index]
    if (node === undefined) throw new Error('the stream has no leader')
    await node.kill('SIGKILL')
    await sleep(ms)
    await node.start()
    await this.rabbits.well(this.vhost, STREAM)
  }

  /** It takes seconds until the stream has its next writer. */
  private async killWriter(): Promise<void> {
    await this.rabbits.killWriter(this.vhost, STREAM)
    await this.rabbits.well(this.vhost, STREAM)
  }

  private async resetAmqp(): Promise<void> {
    await Promise.all(this.amqp.map((wire) => wire.refuse()))
    await Promise.all(this.amqp.map((wire) => wire.heal()))
  }

  private async closeChannels(): Promise<void> {
    for (const node of this.rabbits.nodes) await node.evaluate(CLOSE_CONSUMING_CHANNELS)
  }

  private async killMaster(ms: number): Promise<void> {
    const master = await this.servers.ownerOf(META)
    await this.servers.kill(master)
    await this.servers.promoted(META, master)
    await sleep(ms)
    await this.servers.restart(master)
  }

  private async freezeMaster(ms: number): Promise<void> {
    const master = await this.servers.ownerOf(META)
    const node = this.servers.nodes[master]!
    node.pause()
    await Promise.all([this.servers.promoted(META, master), sleep(ms)]).finally(() => node.resume())
    await this.servers.healed()
  }

  private async failOver(): Promise<void> {
    await this.servers.failover(await this.servers.ownerOf(META))
    await this.servers.healed()
  }

  /** To another master, held up once nothing and once everything has been moved. */
  private async reshard({ aim, lastsMs }: Fault): Promise<void> {
    const own = await this.servers.ownerOf(META)
    const others = (await this.servers.masters()).filter((index) => index !== own)
    const move = await this.servers.open(META, others[Math.floor(aim * others.length)]!)
    await sleep(lastsMs / 2)
    await move.keys()
    await sleep(lastsMs / 2)
    await move.finish()
    await this.servers.healed()
  }

  /** The servers of the partition die together, and nothing is kept. */
  private async empty(ms: number): Promise<void> {
    const master = await this.servers.ownerOf(META)
    const shard = [master, ...(await this.servers.replicasOf(master))]
    await Promise.all(shard.map((index) => this.servers.kill(index)))
    await sleep(ms)
    await this.servers.restart(...shard)
  }
}
