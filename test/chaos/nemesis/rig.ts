import { Cluster, type EdgeHost } from '../../support/cluster.js'
import { portOf } from '../../support/pages.js'
import type { Program } from '../../support/program.mjs'
import type { Brokers } from './brokers.js'
import { Clustered } from './clustered.js'
import type { Layout } from './kinds.js'
import { Single } from './single.js'

export const INGESTS = 3
export const EDGES = 2
const WORKERS = 2
/** Above `drain.timeout`, after which the host ends what is left by itself. */
const DRAIN_MS_MAX = 45_000

export interface Host {
  readonly number: number
  edge: EdgeHost
}

/** The cluster of a chaos run, with handles on all of its parts. */
export class Rig {
  readonly cluster: Cluster
  readonly brokers: Brokers
  readonly hosts: Host[] = []
  /** The virtual host at each node of RabbitMQ, without a wire. */
  readonly amqpUrls: readonly string[]
  /** Of the ingests, for metrics and health: what has ended can no longer be asked. */
  private readonly ports = new Map<number, number>()

  private constructor(cluster: Cluster, brokers: Brokers) {
    this.cluster = cluster
    this.brokers = brokers
    this.amqpUrls = brokers.amqpUrls(new URL(cluster.amqpUrl).pathname.slice(1))
  }

  static async start(layout: Layout): Promise<Rig> {
    const brokers = await (layout === 'single' ? Single.start() : Clustered.start())
    const { rabbit, server, config } = brokers
    const parts = { rabbit, server, config, edges: 0, ingests: INGESTS, workers: WORKERS }
    const cluster = await Cluster.start({ name: 'chaos', ...parts })
    await cluster.publisher.close() // the load has its own
    const rig = new Rig(cluster, brokers)
    for (const ingest of cluster.ingests) rig.ports.set(ingest.pid, portOf(ingest))
    for (let number = 0; number < EDGES; number++)
      rig.hosts.push({ number, edge: await rig.startEdge(number) })
    return rig
  }

  get urls(): string[] {
    return this.hosts.map(({ edge }) => edge.url)
  }

  /** How many should serve. */
  get workers(): number {
    return this.hosts.length * WORKERS
  }

  async startEdge(host: number): Promise<EdgeHost> {
    return this.cluster.startEdge(await this.brokers.reach(host))
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
    host.edge = await this.startEdge(host.number)
  }

  /** Null: not known yet. */
  ingestPort({ pid }: Program): number | null {
    return this.ports.get(pid) ?? null
  }

  async stop(): Promise<void> {
    const { edges, ingests, auth } = this.cluster
    const programs = [...edges.map(({ program }) => program), ...ingests]
    for (const program of programs) program.killGroup('SIGCONT')
    await Promise.all(programs.map((program) => program.stop('SIGTERM', 3000)))
    await auth.stop()
    await this.brokers.stop()
  }
}
