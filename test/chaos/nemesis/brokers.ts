import type { Redis } from 'ioredis'
import type { Server } from '../../support/cluster.js'
import type { Rabbit } from '../../support/rabbitmq.mjs'
import type { Fault } from './schedule.js'

type Config = Readonly<Record<string, unknown>>

/** RabbitMQ and Redis of a chaos run in one of its lay-outs, with the faults that hit them. */
export interface Brokers {
  /** To begin the cluster's programs with. */
  readonly rabbit: Rabbit
  readonly server: Server
  /** Of all programs; the ingests go to RabbitMQ over wires. */
  readonly config: Config
  /** As in `redis.cluster`, or the one URL of a single server: where the record of a run is read from. */
  readonly redis: string | readonly string[]
  /** A way to each node of RabbitMQ, without a wire. */
  amqpUrls(vhost: string): string[]
  /** Before the edge host of that number starts; gives what its configuration has besides. */
  reach(host: number): Promise<Config>
  /** Injects a fault, and takes it away again; null: it is not one of brokers. */
  inject(fault: Fault, host: number): Promise<void> | null
  /** Runs commands on a connection of one's own to each server that takes writes. */
  withRedis<T>(use: (redis: Redis) => Promise<T>): Promise<T[]>
  stop(): Promise<void>
}
