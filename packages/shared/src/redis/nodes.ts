import { Command, type Redis } from 'ioredis'
import type { Clock } from '../runtime/clock.js'
import { parseHostPort, type HostPort } from '../runtime/host-port.js'

/** A node that does not say so soon what it knows is not waited for. */
const ANSWER_MS_MAX = 500
/** Nodes asked at once. */
const NODES_MAX = 32

/** Slots and the master that serves them, as one node knows it. */
type SlotMap = readonly (readonly [first: number, last: number, master: HostPort])[]

export interface RedisNodesOptions {
  /** `redis.cluster`: host:port of some nodes. */
  readonly seeds: readonly string[]
  readonly connect: (node: HostPort) => Redis
  readonly clock: Clock
}

/** Finds the node of a Redis Cluster that serves a key, asked anew each time. */
export class RedisNodes {
  private readonly options: RedisNodesOptions
  private readonly seeds: readonly HostPort[]
  /** Masters as known last: the nodes of the configuration may all be gone one day. */
  private known: readonly HostPort[] = []
  private pendingMaps: Promise<readonly SlotMap[]> | null = null

  constructor(options: RedisNodesOptions) {
    this.options = options
    this.seeds = options.seeds.map(parseHostPort)
  }

  /** The master that most nodes name: one that was cut off or frozen may know an older state of things. */
  async ownerOf(key: string): Promise<HostPort> {
    const slot = new Command('get', [key]).getSlot()
    const votes = new Map<string, number>()
    for (const map of await this.slotMaps()) {
      const owner = map.find(([first, last]) => slot >= first && slot <= last)?.[2]
      if (owner !== undefined) votes.set(nameOf(owner), (votes.get(nameOf(owner)) ?? 0) + 1)
    }
    const [most] = [...votes].sort(([, a], [, b]) => b - a)
    if (most === undefined) throw new Error('no node of the Redis Cluster answers, or none serves the slot')
    return parseHostPort(most[0])
  }

  /** Those who ask at the same time share the answers. */
  private slotMaps(): Promise<readonly SlotMap[]> {
    this.pendingMaps ??= this.askAll().finally(() => (this.pendingMaps = null))
    return this.pendingMaps
  }

  private async askAll(): Promise<readonly SlotMap[]> {
    const all = new Map([...this.seeds, ...this.known].map((node) => [nameOf(node), node]))
    const answers = await Promise.all([...all.values()].slice(0, NODES_MAX).map((node) => this.ask(node)))
    const maps = answers.filter((map) => map.length > 0)
    if (maps.length > 0) this.known = maps.flatMap((map) => map.map(([, , master]) => master))
    return maps
  }

  /** Nothing where the node does not answer. */
  private ask(node: HostPort): Promise<SlotMap> {
    const client = this.options.connect(node)
    return new Promise<SlotMap>((resolve) => {
      const deadline = this.options.clock.after(ANSWER_MS_MAX, () => resolve([]))
      client
        .cluster('SLOTS')
        .then((answer) => slotMap(answer, node))
        .then(resolve, () => resolve([]))
      client.on('end', () => {
        deadline.cancel()
        resolve([])
      })
    }).finally(() => client.disconnect())
  }
}

function nameOf({ host, port }: HostPort): string {
  return `${host}:${port}`
}

function slotMap(answer: unknown, asked: HostPort): SlotMap {
  if (!Array.isArray(answer)) return []
  return (answer as [number, number, [string | null, number]][]).map(([first, last, [host, port]]) => [
    first,
    last,
    // Without a host it means the one that was asked.
    { host: host === null || host === '' ? asked.host : host, port },
  ])
}
