import { mkdir, rm } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import type { Server } from '../../support/cluster.js'
import { Wire } from '../../support/wire.js'
import { temporaryDirectory } from '../../support/guard.mjs'
import { startRabbit, type Rabbit } from '../../support/rabbitmq.mjs'
import { startRedis } from '../../support/redis.mjs'
import type { Brokers } from './brokers.js'
import { CLOSE_CONSUMING_CHANNELS, killClients, wipeQueue } from './commands.js'
import type { Fault } from './schedule.js'

const APPEND_ONLY = ['--appendonly', 'yes', '--appendfsync', 'everysec']

/** One RabbitMQ, and one Redis that writes down what it has. */
export class Single implements Brokers {
  readonly rabbit: Rabbit
  readonly config
  readonly redis: string
  /** Between the ingests and RabbitMQ. */
  private readonly amqp: Wire
  /** Between each edge host and Redis. */
  private readonly wires: Wire[] = []
  private readonly directory: string
  private current: Server

  private constructor(rabbit: Rabbit, amqp: Wire, redis: Server, directory: string) {
    this.rabbit = rabbit
    this.amqp = amqp
    this.current = redis
    this.directory = directory
    this.redis = redis.url
    this.config = { bus: { host: '127.0.0.1', port: amqp.port } }
  }

  static async start(): Promise<Single> {
    const rabbit = await startRabbit()
    const directory = await temporaryDirectory('redis')
    const redis = await startRedis({ dir: directory, args: APPEND_ONLY })
    return new Single(rabbit, await Wire.to(rabbit.port), redis, directory)
  }

  get server(): Server {
    return this.current
  }

  amqpUrls(vhost: string): string[] {
    return [`${this.rabbit.url}/${vhost}`]
  }

  async reach(host: number): Promise<{ redis: { url: string } }> {
    const wire = (this.wires[host] ??= await Wire.to(this.current.port))
    return { redis: { url: `redis://127.0.0.1:${wire.port}` } }
  }

  inject({ kind, lastsMs }: Fault, host: number): Promise<void> | null {
    switch (kind) {
      case 'redis-restart':
        return this.withoutRedis(() => this.current.stop(), lastsMs)
      case 'redis-crash':
        return this.withoutRedis(() => this.current.kill(), lastsMs)
      case 'redis-empty':
        return this.withoutRedis(() => this.current.kill(), lastsMs, true)
      case 'redis-freeze':
        return this.freeze(lastsMs)
      case 'redis-clients':
        return this.withRedis(killClients).then(() => undefined)
      case 'redis-half-open':
        return this.halfOpen(host, lastsMs)
      case 'expiry-wiped':
        return this.withRedis(wipeQueue).then(() => undefined)
      case 'amqp-reset':
        return this.amqp.refuse().then(() => this.amqp.heal())
      case 'amqp-channel':
        return this.rabbit.evaluate(CLOSE_CONSUMING_CHANNELS).then(() => undefined)
      case 'rabbit-restart':
        return this.restartRabbit(lastsMs)
      default:
        return null
    }
  }

  async withRedis<T>(use: (redis: Redis) => Promise<T>): Promise<T[]> {
    const redis = new Redis(this.redis)
    try {
      return [await use(redis)]
    } finally {
      redis.disconnect()
    }
  }

  async stop(): Promise<void> {
    this.current.resume()
    await Promise.all([this.current.stop(), ...[this.amqp, ...this.wires].map((wire) => wire.refuse())])
    await this.rabbit.stop()
  }

  /** Starts Redis again where it was, `emptied` or with what it had written. */
  private async withoutRedis(end: () => Promise<void>, ms: number, emptied = false): Promise<void> {
    await end()
    await sleep(ms)
    const dir = this.directory
    if (emptied) await rm(dir, { recursive: true, force: true })
    await mkdir(dir, { recursive: true })
    this.current = await startRedis({ port: this.current.port, dir, args: APPEND_ONLY })
  }

  private async freeze(ms: number): Promise<void> {
    this.current.pause()
    await sleep(ms)
    this.current.resume()
  }

  private async halfOpen(host: number, ms: number): Promise<void> {
    const wire = this.wires[host]!
    wire.cut()
    await sleep(ms)
    await wire.heal()
  }

  private async restartRabbit(ms: number): Promise<void> {
    await this.rabbit.kill('SIGTERM')
    await sleep(ms)
    await this.rabbit.start()
  }
}
