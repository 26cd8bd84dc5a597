import { mkdir, rm } from 'node:fs/promises'
import { Redis } from 'ioredis'
import { Cluster, type EdgeHost } from '../../faults/support/cluster.js'
import { portOf } from '../../faults/support/pages.js'
import { Wire } from '../../faults/support/wire.js'
import { temporaryDirectory } from '../../support/guard.mjs'
import type { Program } from '../../support/program.mjs'
import { sharedRabbit, startRabbit } from '../../support/rabbitmq.mjs'
import { startRedis } from '../../support/redis.mjs'

export const INGESTS = 3
export const EDGES = 2
const WORKERS = 2
/** Above `drain.timeout`, after which the host ends what is left by itself. */
const DRAIN_MS_MAX = 45_000
const APPEND_ONLY = ['--appendonly', 'yes', '--appendfsync', 'everysec']

/** An edge host with the way between it and Redis. */
export interface Host {
  edge: EdgeHost
  readonly wire: Wire
}

/** The cluster of a chaos run, with handles on all of its parts. */
export class Rig {
  readonly cluster: Cluster
  readonly hosts: Host[] = []
  /** Between the ingests and RabbitMQ. */
  readonly amqp: Wire
  /** The virtual host, without a wire. */
  readonly amqpUrl: string
  rabbit: Awaited<ReturnType<typeof startRabbit>>
  private readonly redisDirectory: string
  /** Of the ingests, for metrics and health: what has ended can no longer be asked. */
  private readonly ports = new Map<number, number>()

  private constructor(
    cluster: Cluster,
    rabbit: Rig['rabbit'],
    amqp: Wire,
    amqpUrl: string,
    redisDirectory: string,
  ) {
    this.cluster = cluster
    this.rabbit = rabbit
    this.amqp = amqp
    this.amqpUrl = amqpUrl
    this.redisDirectory = redisDirectory
  }

  static async start(): Promise<Rig> {
    const rabbit = await startRabbit()
    // By these the cluster's own parts find this broker instead of starting one more.
    Object.assign(process.env, rabbit.environment)
    const amqp = await Wire.to(rabbit.port)
    const redisDirectory = await temporaryDirectory('redis')
    const cluster = await Cluster.start({
      name: 'chaos',
      edges: 0,
      ingests: INGESTS,
      workers: WORKERS,
      config: { bus: { host: '127.0.0.1', port: amqp.port, username: 'guest', password: 'guest' } },
      redis: [...APPEND_ONLY, '--dir', redisDirectory],
    })
    await cluster.publisher.close() // the load has its own
    const rig = new Rig(cluster, rabbit, amqp, await vhostUrl('chaos'), redisDirectory)
    for (const ingest of cluster.ingests) rig.ports.set(ingest.pid, portOf(ingest))
    for (let host = 0; host < EDGES; host++) {
      const wire = await Wire.to(cluster.redis.port)
      rig.hosts.push({ wire, edge: await rig.startEdge(wire) })
    }
    return rig
  }

  get urls(): string[] {
    return this.hosts.map(({ edge }) => edge.url)
  }

  /** How many should serve. */
  get workers(): number {
    return this.hosts.length * WORKERS
  }

  startEdge(wire: Wire): Promise<EdgeHost> {
    return this.cluster.startEdge({ redis: { url: `redis://127.0.0.1:${wire.port}` } })
  }

  async startIngest(): Promise<void> {
    const ingest = await this.cluster.startIngest()
    this.ports.set(ingest.pid, portOf(ingest))
  }

  /** Ends an ingest at once and starts another one in its place, as a supervisor does. */
  async replaceIngest(ingest: Program): Promise<void> {
    await this.endIngest(ingest)
    await this.startIngest()
  }

  async endIngest(ingest: Program): Promise<void> {
    ingest.kill('SIGKILL')
    await ingest.exit
    const { ingests } = this.cluster
    ingests.splice(ingests.indexOf(ingest), 1)
  }

  async replaceEdge(host: Host): Promise<void> {
    host.edge.program.kill('SIGKILL')
    await host.edge.program.exit
    await this.startEdgeAgain(host)
  }

  /** Drains it; gives how it ended, by force if need be. */
  endEdge({ edge }: Host): ReturnType<Program['stop']> {
    return edge.program.stop('SIGTERM', DRAIN_MS_MAX)
  }

  /** What was there has ended. */
  async startEdgeAgain(host: Host): Promise<void> {
    const { edges } = this.cluster
    edges.splice(edges.indexOf(host.edge), 1)
    host.edge = await this.startEdge(host.wire)
  }

  /** Starts Redis again where it was, `emptied` or with what it had written. */
  async restartRedis({ emptied = false } = {}): Promise<void> {
    const dir = this.redisDirectory
    if (emptied) await rm(dir, { recursive: true, force: true })
    await mkdir(dir, { recursive: true })
    this.cluster.redis = await startRedis({ port: this.cluster.redis.port, dir, args: APPEND_ONLY })
  }

  /** Runs commands on a connection of one's own. */
  async withRedis<T>(use: (redis: Redis) => Promise<T>): Promise<T> {
    const redis = this.cluster.openRedis()
    try {
      return await use(redis)
    } finally {
      redis.disconnect()
    }
  }

  /** Null: not known yet. */
  ingestPort({ pid }: Program): number | null {
    return this.ports.get(pid) ?? null
  }

  async stop(): Promise<void> {
    const { edges, ingests, redis, auth } = this.cluster
    const programs = [...edges.map(({ program }) => program), ...ingests]
    redis.resume()
    for (const program of programs) program.killGroup('SIGCONT')
    await Promise.all(programs.map((program) => program.stop('SIGTERM', 3000)))
    await Promise.all([
      redis.stop(),
      auth.stop(),
      this.amqp.refuse(),
      ...this.hosts.map(({ wire }) => wire.refuse()),
    ])
    await this.rabbit.stop()
  }
}

/** Of the virtual host that the cluster has made, whose name begins so. */
async function vhostUrl(name: string): Promise<string> {
  const rabbit = await sharedRabbit()
  const vhosts = (await rabbit.ctl('list_vhosts')).split('\n')
  return `${rabbit.url}/${vhosts.find((each) => each.startsWith(`${name}-`))!}`
}
