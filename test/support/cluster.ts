/** A cluster on one machine: real brokers, wazo-auth's stand-in, any number of ingests and edge hosts as processes. */
import { Redis } from 'ioredis'
import { startAuth } from './auth.mjs'
import { connect, type Client, type ConnectOptions } from './client.js'
import { authSection, busSection, merge, type Config } from './config.js'
import { freePort } from './port.mjs'
import { startProgram, type Program } from './program.mjs'
import { openPublisher, type Publisher } from './publish.js'
import { sharedRabbit, type Rabbit } from './rabbitmq.mjs'
import { startRedis } from './redis.mjs'
import { metric } from './pages.js'
import { waitFor } from './wait.mjs'

export type Auth = Awaited<ReturnType<typeof startAuth>>
export type Token = ReturnType<Auth['mint']>
export type Server = Awaited<ReturnType<typeof startRedis>>

const READY_MS_MAX = 40_000

/** One process of the edge with its workers: what a host would run. */
export interface EdgeHost {
  readonly program: Program
  readonly url: string
  readonly port: number
  readonly adminPort: number
  /** The sum of a metric over all label values that match, from /metrics. */
  metric(name: string, labels?: Readonly<Record<string, string>>): Promise<number>
  /** Pids of the workers that serve now, by the log. */
  workerPids(): number[]
}

export interface ClusterOptions {
  /** Name of the virtual host of RabbitMQ. */
  readonly name: string
  readonly edges?: number
  readonly ingests?: number
  /** Of each edge. */
  readonly workers?: number
  /** Merged over the configuration, section by section. */
  readonly config?: Readonly<Record<string, unknown>>
  /** Environment of the edges. */
  readonly env?: Readonly<Record<string, string>>
  /** Arguments of redis-server. */
  readonly redis?: readonly string[]
  /** A Redis that runs already, instead of one of the cluster's own; it is stopped with the cluster. */
  readonly server?: Server
  /** A RabbitMQ of the test's own, which may be killed, instead of that of the whole run; it is left running. */
  readonly rabbit?: Rabbit
}

export class Cluster {
  readonly auth: Auth
  readonly publisher: Publisher
  /** Of the virtual host. */
  readonly amqpUrl: string
  readonly edges: EdgeHost[] = []
  readonly ingests: Program[] = []
  redis: Server
  private readonly config: Config
  private readonly options: ClusterOptions
  private dealt = 0

  private constructor(
    options: ClusterOptions,
    redis: Server,
    auth: Auth,
    publisher: Publisher,
    amqpUrl: string,
    config: Config,
  ) {
    this.options = options
    this.redis = redis
    this.auth = auth
    this.publisher = publisher
    this.amqpUrl = amqpUrl
    this.config = config
  }

  /** Starts everything; resolves when every worker serves. */
  static async start(options: ClusterOptions): Promise<Cluster> {
    const [redis, auth, rabbit] = await Promise.all([
      options.server ?? startRedis({ args: [...(options.redis ?? [])] }),
      startAuth(),
      options.rabbit ?? sharedRabbit(),
    ])
    const amqpUrl = await rabbit.vhost(options.name)
    const publisher = await openPublisher(amqpUrl)
    const cluster = new Cluster(
      options,
      redis,
      auth,
      publisher,
      amqpUrl,
      merge(
        {
          process_workers: options.workers ?? 2,
          auth: authSection(auth),
          bus: busSection(amqpUrl),
          redis: { url: redis.url },
        },
        options.config ?? {},
      ),
    )
    try {
      await Promise.all([
        ...Array.from({ length: options.ingests ?? 1 }, () => cluster.startIngest()),
        ...Array.from({ length: options.edges ?? 2 }, () => cluster.startEdge()),
      ])
    } catch (error) {
      await cluster.stop()
      throw error
    }
    return cluster
  }

  async startIngest(overrides: Config = {}, env: Readonly<Record<string, string>> = {}): Promise<Program> {
    const { program, port } = await this.launchIngest(overrides, env)
    await program.ready(port, READY_MS_MAX)
    return program
  }

  /** Starts an ingest and does not wait until it is ready; `port` is that of its health. */
  async launchIngest(
    overrides: Config = {},
    env: Readonly<Record<string, string>> = {},
  ): Promise<{ program: Program; port: number }> {
    const port = await freePort()
    const config = merge(merge(this.config, { metrics: { ingest_port: port } }), overrides)
    const program = await startProgram('ingest', { config, env: { ...env } })
    this.ingests.push(program)
    return { program, port }
  }

  /** The configuration of an edge on these ports. */
  edgeConfig(port: number, adminPort: number, overrides: Config = {}): Config {
    return merge(merge(this.config, { websocket: { port }, metrics: { edge_port: adminPort } }), overrides)
  }

  async startEdge(overrides: Config = {}, env: Readonly<Record<string, string>> = {}): Promise<EdgeHost> {
    return this.startEdgeAt(await freePort(), await freePort(), overrides, env)
  }

  /** Starts an edge, which has ended, anew on its ports. */
  async restartEdge({ program, port, adminPort }: EdgeHost): Promise<EdgeHost> {
    this.edges.splice(
      this.edges.findIndex((edge) => edge.program === program),
      1,
    )
    return this.startEdgeAt(port, adminPort)
  }

  private async startEdgeAt(
    port: number,
    adminPort: number,
    overrides: Config = {},
    env: Readonly<Record<string, string>> = {},
  ): Promise<EdgeHost> {
    const config = this.edgeConfig(port, adminPort, overrides)
    const program = await startProgram('edge', { config, env: { ...this.options.env, ...env } })
    const edge = edgeHost(program, port, adminPort)
    this.edges.push(edge)
    await program.ready(adminPort, READY_MS_MAX)
    await waitFor(async () => (await edge.metric('workers_ready')) === Number(config['process_workers']), {
      timeoutMs: READY_MS_MAX,
      everyMs: 50,
      what: 'every worker to serve',
    })
    return edge
  }

  /** A client of the edges in turn, or of one of them. */
  connect(token: string, options: ConnectOptions = {}, edge?: EdgeHost): Client {
    const to = edge ?? this.edges[this.dealt++ % this.edges.length]!
    return connect(to.url, { token, version: 2, ...options })
  }

  /** Deletes a token at wazo-auth, which says so on the bus unless `event` is false. */
  async deleteToken(token: Token, { event = true } = {}): Promise<void> {
    this.auth.delete(token.token)
    if (event) await this.publisher.publishSessionDeleted(token)
  }

  /** The sum of a metric over all edges. */
  async metric(name: string, labels?: Readonly<Record<string, string>>): Promise<number> {
    const each = await Promise.all(this.edges.map((edge) => edge.metric(name, labels)))
    return each.reduce((sum, value) => sum + value, 0)
  }

  /** A connection of one's own to Redis. */
  openRedis(): Redis {
    return new Redis(this.redis.url)
  }

  logs(): string {
    return [...this.edges.map(({ program }) => program), ...this.ingests]
      .map((program) => program.logs())
      .join('\n')
  }

  async stop(): Promise<void> {
    const programs = [...this.edges.map(({ program }) => program), ...this.ingests]
    for (const program of programs) program.killGroup('SIGCONT')
    await this.publisher.close().catch(() => undefined) // its broker may have been killed
    await Promise.all(programs.map((program) => program.stop('SIGTERM', 5_000)))
    await Promise.all([this.redis.stop(), this.auth.stop()])
  }
}

/** What a test asks of a running edge. */
export function edgeHost(program: Program, port: number, adminPort: number): EdgeHost {
  return {
    program,
    port,
    adminPort,
    url: `ws://127.0.0.1:${port}`,
    metric: (name, labels) => metric(adminPort, name, labels),
    workerPids() {
      const pids = new Set<number>()
      for (const line of program.logs().split('\n')) {
        const [, pid] = /"workerPid":(\d+)/.exec(line) ?? []
        if (pid === undefined) continue
        if (line.includes('worker started')) pids.add(Number(pid))
        else if (line.includes('worker ended')) pids.delete(Number(pid))
      }
      return [...pids]
    },
  }
}
