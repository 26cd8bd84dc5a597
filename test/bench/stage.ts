import { Cluster, type EdgeHost } from '../support/cluster.js'
import { startRabbit, type Rabbit } from '../support/rabbitmq.mjs'
import { startRedis } from '../support/redis.mjs'
import type { Contestant, Name } from './contestants/contestant.js'
import type { ToFeed } from './contestants/feed-program.js'
import type { Started, ToPair } from './contestants/pair.js'
import { Peer } from './hot-path/peer.js'
import { Crowd } from './load/crowd.js'
import type { DialectName } from './load/dialect.js'
import type { EventKind } from './load/event.js'
import type { Pace } from './load/pace.js'
import type { Sent, ToSender } from './load/sender-messages.js'
import { groupOf } from './measure/cpu.js'
import { COLLECTABLE } from './measure/memory.js'
import { PRELOAD } from './measure/preload.js'

const WORKERS = 2
/** A process that can be told to clean its memory up. */
const EXEC_ARGV = ['--import', COLLECTABLE]

/** The brokers, those that send and receive, and the servers that are compared, each started when first asked for. */
export class Stage {
  readonly rabbit: Rabbit
  readonly crowd = new Crowd()
  readonly cluster: Cluster
  private readonly rabbitPids: readonly number[]
  /** The virtual host of all but ours. */
  private readonly othersUrl: string
  private readonly sender = new Peer<ToSender>('../load/sender-program.ts')
  private readonly started = new Map<Name, Promise<Contestant>>()

  private constructor(rabbit: Rabbit, cluster: Cluster, othersUrl: string) {
    this.rabbit = rabbit
    this.rabbitPids = groupOf(rabbit.pid)
    this.cluster = cluster
    this.othersUrl = othersUrl
  }

  static async start(): Promise<Stage> {
    const rabbit = await startRabbit()
    const othersUrl = await rabbit.vhost('others')
    const cluster = await Cluster.start({ name: 'ours', edges: 0, ingests: 0, workers: WORKERS, rabbit })
    await cluster.startIngest({}, PRELOAD)
    return new Stage(rabbit, cluster, othersUrl)
  }

  /** The one that serves all scenarios. */
  contestant(name: Name): Promise<Contestant> {
    let started = this.started.get(name)
    if (started === undefined) this.started.set(name, (started = this.fresh(name)))
    return started
  }

  /** One with processes of its own, to be stopped by the caller. `flags`: of Node.js, for its servers. */
  fresh(name: Name, flags: readonly string[] = []): Promise<Contestant> {
    switch (name) {
      case 'F0':
        return this.pair(name, 'bare-program.ts', 'bare', { way: 'raw' }, flags)
      case 'F1':
        return this.pair(name, 'bare-program.ts', 'bare', { way: 'send' }, flags)
      case 'relay':
        return this.pair(
          name,
          'relay-program.ts',
          'bare',
          { amqpUrl: this.othersUrl, exchange: 'relay' },
          flags,
        )
      case 'socket.io':
        return this.socketIo(flags)
      case 'ours':
        return this.ours(flags)
    }
  }

  /** Publishes on a virtual host of the caller's. */
  send(order: ToSender): Promise<Sent> {
    return this.sender.ask<Sent>(order)
  }

  async stop(): Promise<void> {
    await this.crowd.stop()
    await Promise.allSettled([...this.started.values()].map(async (each) => (await each).stop()))
    await this.sender.stop()
    await this.cluster.stop()
    await this.rabbit.stop()
  }

  private async pair(
    name: Name,
    file: string,
    dialect: DialectName,
    options: Readonly<Record<string, string>>,
    flags: readonly string[],
  ): Promise<Contestant> {
    const peer = new Peer<ToPair>(`../contestants/${file}`, [...EXEC_ARGV, ...flags])
    const { port, pids } = await peer.ask<Started>({ do: 'start', options })
    const { exchange } = options
    const send = (kind: EventKind, pace: Pace) =>
      exchange === undefined ? null : this.send({ amqpUrl: this.othersUrl, exchange, kind, pace })
    return {
      name,
      port,
      dialect,
      pids: { server: pids, feed: [], redis: [], rabbitmq: exchange === undefined ? [] : this.rabbitPids },
      async run(kind, pace) {
        const sent = send(kind, pace)
        if (sent === null) await peer.ask({ do: 'run', pace })
        return sent
      },
      stop: () => peer.stop(),
    }
  }

  private async socketIo(flags: readonly string[]): Promise<Contestant> {
    const redis = await startRedis()
    const feed = new Peer<ToFeed>('../contestants/feed-program.ts')
    const base = await this.pair(
      'socket.io',
      'socketio-program.ts',
      'socket.io',
      { redisUrl: redis.url },
      flags,
    )
    const exchange = 'socketio'
    const feedPid = await feed.ask<number>({ amqpUrl: this.othersUrl, exchange, redisUrl: redis.url })
    return {
      ...base,
      pids: { server: base.pids.server, feed: [feedPid], redis: [redis.pid], rabbitmq: this.rabbitPids },
      run: (kind, pace) => this.send({ amqpUrl: this.othersUrl, exchange, kind, pace }),
      async stop() {
        await base.stop()
        await feed.stop()
        await redis.stop()
      },
    }
  }

  private async ours(flags: readonly string[]): Promise<Contestant> {
    const { cluster } = this
    const options = [PRELOAD['NODE_OPTIONS'], ...flags].join(' ')
    const edge = await cluster.startEdge({}, { ...PRELOAD, NODE_OPTIONS: options })
    return {
      name: 'ours',
      port: Number(new URL(edge.url).port),
      dialect: 'wazo',
      pids: {
        server: pidsOf(edge),
        feed: cluster.ingests.map(({ pid }) => pid),
        redis: [cluster.redis.pid],
        rabbitmq: this.rabbitPids,
      },
      run: (kind, pace) => this.send({ amqpUrl: cluster.amqpUrl, exchange: 'wazo-headers', kind, pace }),
      async stop() {
        await edge.program.stop('SIGTERM', 5_000)
      },
    }
  }
}

function pidsOf(edge: EdgeHost): number[] {
  return [edge.program.pid, ...edge.workerPids()]
}
