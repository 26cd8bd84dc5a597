import { decode } from '@wazo-websocketd/shared/domain/envelope'
import { partitionOf } from '@wazo-websocketd/shared/domain/event'
import { keys } from '@wazo-websocketd/shared/redis/layout'
import type { Head, LoggedBatch, Shape, Streamed } from '../support/checker/history.js'
import { Catalogue } from '../support/scenario/catalogue.js'
import type { Random } from '../support/scenario/random.js'
import type { Layout } from './faults.js'
import { IngestProgram, ownerOf, WorkerProgram, type Program, type Surroundings } from './programs.js'
import { RedisHost } from './redis-client.js'
import { PREFIX, RedisServer } from './redis-server.js'
import { SimulatedProcess, type Scheduler } from './scheduler.js'
import { StreamBroker } from './stream-broker.js'
import { Daemons, TokenServer } from './wazo.js'

const INGESTS = 2
const HOSTS = 2
const WORKERS_PER_HOST = 2
const REDIS_NODES = { single: 1, sentinel: 1, cluster: 3 } as const
const PARTITIONS_MAX = 3
const SNAPSHOT_MS = 150
const WALL_START = 1_800_000_000_000
const CLOCK_OFFSET_MS = [0, 1_000_000] as const
const WALL_ERROR_MS = [-5000, 5000] as const

/** All parts of one simulated deployment, and the record of what its servers saw. */
export class SimulatedCluster {
  readonly scheduler: Scheduler
  readonly broker: StreamBroker
  readonly redis: readonly RedisHost[]
  readonly tokens: TokenServer
  readonly daemons: Daemons
  readonly catalogue = new Catalogue()
  readonly shapes: readonly Shape[]
  readonly partitions: number
  readonly ingests: IngestProgram[] = []
  readonly workers: WorkerProgram[] = []
  readonly stream: Streamed[] = []
  readonly batches: LoggedBatch[] = []
  readonly heads: Head[] = []
  private readonly random: Random
  private readonly world: Surroundings
  private started = 0

  constructor(scheduler: Scheduler, random: Random, layout: Layout, log: Surroundings['log']) {
    this.scheduler = scheduler
    this.random = random
    this.broker = new StreamBroker(scheduler, random)
    const nodes = REDIS_NODES[layout]
    this.partitions = nodes === 1 ? random.pick([1, 1, PARTITIONS_MAX]) : PARTITIONS_MAX
    this.redis = Array.from(
      { length: nodes },
      () => new RedisHost(new RedisServer(() => WALL_START + scheduler.now)),
    )
    this.tokens = new TokenServer(scheduler, random)
    this.shapes = this.catalogue.shapes.map((shape) => ({
      ...shape,
      partition: partitionOf(shape.tenant, this.partitions),
    }))
    this.daemons = new Daemons(scheduler, this.broker, this.shapes)
    const { broker, redis, tokens, partitions } = this
    this.world = { scheduler, random, broker, redis, partitions, tokens, log }
    broker.onCommit = ({ offset, content }) => {
      const id = idIn(content)
      if (id !== null) this.stream.push({ id, offset, seenAt: scheduler.now })
    }
    for (const [node, { server }] of redis.entries())
      server.onWrite = (tag) => this.written(node, server, tag)
    this.snapshot()
    for (let index = 0; index < INGESTS; index++) this.startIngest(index)
    for (let index = 0; index < HOSTS * WORKERS_PER_HOST; index++) this.startWorker(index)
  }

  /** Whether something happens that does so in such a share of cases. */
  chance(share: number): boolean {
    return this.random.chance(share)
  }

  get hosts(): number {
    return HOSTS
  }

  /** Workers that run, of one host or (null) of all. */
  running(host: number | null): WorkerProgram[] {
    return this.workers.filter(({ process, host: own }) => process.alive && (host === null || own === host))
  }

  /** By partition: the shape of an event that every sentinel sees. */
  get probes(): ReadonlyMap<number, number> {
    const probes = new Map<number, number>()
    for (const [number, { everyone, requiredAcl, poison, partition = 0 }] of this.shapes.entries())
      if (everyone && requiredAcl === null && poison !== true) probes.set(partition, number)
    return probes
  }

  partitionOfEvent(id: number): number {
    return this.shapes[this.daemons.published[id - 1]!.shape]!.partition ?? 0
  }

  /** What is missing for all programs to be ready; empty: nothing. */
  notReadyReasons(): string[] {
    return [...this.ingests, ...this.workers].flatMap((program: Program) => {
      const reasons = program.process.alive ? program.notReadyReasons() : ['it is not running']
      return reasons.map((reason) => `${program.process.name}: ${reason}`)
    })
  }

  ingestAt(aim: number): IngestProgram {
    return this.ingests[Math.floor(aim * this.ingests.length)]!
  }

  workerAt(aim: number): WorkerProgram {
    return this.workers[Math.floor(aim * this.workers.length)]!
  }

  programAt(aim: number): Program {
    const all = [...this.ingests, ...this.workers]
    return all[Math.floor(aim * all.length)]!
  }

  redisAt(aim: number): RedisHost {
    return this.redis[Math.floor(aim * this.redis.length)]!
  }

  /** Kills one; returns its index. */
  killIngest(aim: number): number {
    const ingest = this.ingestAt(aim)
    ingest.process.kill()
    return this.ingests.indexOf(ingest)
  }

  /** Kills all; returns their indexes. */
  killIngests(): number[] {
    return this.ingests.map(({ process }, index) => {
      process.kill()
      return index
    })
  }

  /** A partition of the server at `aim`. */
  partitionAt(aim: number, depth: number): number {
    const partitions = Array.from({ length: this.partitions }, (_, partition) => partition).filter(
      (partition) => this.redis[ownerOf(this, `${partition}`)] === this.redisAt(aim),
    )
    return partitions[Math.floor(depth * partitions.length)] ?? 0
  }

  /** Has the workers of a host end by themselves; resolves with their indexes once they have. */
  async drainHost(aim: number): Promise<number[]> {
    const host = Math.floor(aim * HOSTS)
    const workers = this.running(host)
    for (const worker of workers) this.scheduler.after(0, () => worker.drain(), worker.process)
    await Promise.all(workers.map(({ ended }) => ended))
    return workers.map((worker) => {
      worker.process.kill()
      return this.workers.indexOf(worker)
    })
  }

  /** Starts one, unless it runs. */
  startIngest(index: number): void {
    if (this.ingests[index]?.process.alive === true) return
    this.ingests[index] = this.inProcess(
      `ingest-${index}`,
      (process) => new IngestProgram(process, this.world),
    )
  }

  killWorker(aim: number): number {
    const worker = this.workerAt(aim)
    worker.process.kill()
    return this.workers.indexOf(worker)
  }

  startWorker(index: number): void {
    if (this.workers[index]?.process.alive === true) return
    const host = Math.floor(index / WORKERS_PER_HOST)
    this.workers[index] = this.inProcess(
      `worker-${index}`,
      (process) => new WorkerProgram(process, host, this.world),
    )
  }

  private inProcess<T>(name: string, start: (process: SimulatedProcess) => T): T {
    const { scheduler, random } = this
    const clocks = {
      wall: WALL_START + random.between(...WALL_ERROR_MS),
      steady: random.between(...CLOCK_OFFSET_MS),
    }
    const process = new SimulatedProcess(scheduler, `${name}.${++this.started}`, clocks)
    const { current } = scheduler
    scheduler.current = process
    try {
      return start(process)
    } finally {
      scheduler.current = current
    }
  }

  private snapshot(): void {
    for (const { server, up } of this.redis) if (up) server.snapshot()
    this.scheduler.after(SNAPSHOT_MS, () => this.snapshot(), null)
  }

  private written(node: number, server: RedisServer, tag: string): void {
    const partition = Number(tag)
    if (!(partition < this.partitions)) return
    const names = keys(PREFIX, partition)
    const meta = server.hash(names.meta)
    const [epoch, headText] = [meta?.get('epoch')?.toString(), meta?.get('head')]
    if (epoch === undefined || headText === undefined) return
    const life = `${node}.${server.life}`
    const head = Number(headText)
    const before = this.heads.findLast((other) => other.partition === partition)
    if (before?.epoch === epoch && before.head === head && before.life === life) return
    this.heads.push({ at: this.scheduler.now, life, epoch, head, partition })
    const entry = server.stream(names.log).at(-1)
    if (entry?.ms !== head) return
    const message = decode(entry.fields[1]!)
    if (message.kind !== 'batch') return
    const events = message.open().map(({ offset, body }) => [offset, idIn(body) ?? -1] as const)
    this.batches.push({ epoch, life, partition, prev: message.prev, last: message.last, events })
  }
}

/** The number of an event; null: it is a canary. */
function idIn(body: Uint8Array): number | null {
  const text = Buffer.from(body.buffer, body.byteOffset, body.length).toString('latin1')
  if (text.startsWith('{"canary"')) return null
  const found = /"n":(\d+)\}\}$/.exec(text)?.[1]
  return found === undefined ? null : Number(found)
}
