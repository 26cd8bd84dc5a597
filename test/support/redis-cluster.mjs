/** A Redis Cluster of one's own: some masters, with replicas if wanted, on this machine. */
import { temporaryDirectory } from './guard.mjs'
import { ask, askIfAlive } from './redis-ask.mjs'
import { layoutOf, ownerAmong, parseNodes } from './redis-nodes.mjs'
import { closeSlot, moveKeys, openSlot } from './redis-slot.mjs'
import { startRedis } from './redis.mjs'
import { waitFor } from './wait.mjs'

const SLOTS = 16_384
/** A node that does not answer for so long is given up by the others. */
const NODE_TIMEOUT_MS = 1_000
const FORM_MS_MAX = 20_000
const PROMOTED_MS_MAX = 20_000

/** @typedef {Awaited<ReturnType<typeof startRedis>>} Node */

/**
 * @typedef {object} RedisCluster indices are those of `nodes`: first all masters of the beginning, then their replicas
 * @property {readonly string[]} addresses as in `redis.cluster`
 * @property {readonly Node[]} nodes
 * @property {(key: string) => Promise<number>} ownerOf the index of the node that holds a key now, be it dead, by what those say that answer
 * @property {() => Promise<number[]>} masters the indices of those that hold slots
 * @property {(index: number) => Promise<number[]>} replicasOf the indices of the replicas of a master
 * @property {(key: string, from: number) => Promise<number>} promoted the index of the key's master once that is no longer `from`, and serves
 * @property {(index: number) => Promise<number>} failover hands a master's part to its replica, in order, and gives the index of that
 * @property {(index: number) => Promise<void>} kill ends a node at once
 * @property {(...indices: number[]) => Promise<void>} restart starts nodes again where they were; resolves when the cluster serves
 * @property {() => Promise<void>} healed resolves when all nodes live, all slots are served, and all replicas follow
 * @property {(key: string, to: number) => Promise<Move>} open begins to move the slot of a key to the master `to`
 * @property {(key: string, to: number) => Promise<void>} reshard moves the slot of a key with all of its keys
 * @property {() => Promise<void>} stop
 */

/**
 * @typedef {object} Move a slot under way: open until `finish`
 * @property {(countMax?: number) => Promise<number>} keys moves keys of the slot, and gives how many
 * @property {() => Promise<void>} finish moves the rest of its keys, and then the slot
 */

/**
 * Resolves when the cluster serves all of its slots.
 * @param {number} [masters]
 * @param {readonly string[]} [args] of every redis-server
 * @param {{ replicas?: number }} [options] of each master
 * @returns {Promise<RedisCluster>}
 */
export async function startRedisCluster(masters = 3, args = [], { replicas = 0 } = {}) {
  const all = [
    ...['--cluster-enabled', 'yes', '--cluster-node-timeout', `${NODE_TIMEOUT_MS}`],
    ...[
      '--cluster-allow-replica-migration',
      'no',
      '--repl-diskless-sync-delay',
      '0',
      // A node that is restarted must not come back with what it once got as a replica.
      '--rdb-del-sync-files',
      'yes',
      ...args,
    ],
  ]
  const size = masters * (1 + replicas)
  const dirs = await Promise.all(Array.from({ length: size }, () => temporaryDirectory('redis-cluster')))
  const nodes = await Promise.all(dirs.map((dir) => startRedis({ dir, args: all })))
  try {
    await form(nodes, masters)
  } catch (error) {
    await Promise.all(nodes.map((node) => node.stop()))
    throw error
  }
  const indexOf = (/** @type {number | undefined} */ port) => nodes.findIndex((node) => node.port === port)
  /** @param {string} key */
  const ownerOf = async (key) => {
    const slot = await slotOf(nodes, key)
    return indexOf(ownerAmong(await claims(nodes), slot)?.port)
  }
  /** @param {number} index */
  const replicasOf = async (index) => {
    const known = await claims(nodes)
    const id = known.find(({ port }) => port === at(nodes, index).port)?.id
    return [...new Set(known.filter(({ masterId }) => masterId === id).map(({ port }) => indexOf(port)))]
  }
  /** @param {string} key @param {number} to */
  const open = async (key, to) => {
    const [slot, from] = [await slotOf(nodes, key), await ownerOf(key)]
    const [source, target] = [at(nodes, from), at(nodes, to)]
    await openSlot(slot, source, target)
    return {
      keys: (/** @type {number | undefined} */ countMax) => moveKeys(slot, source, target, countMax),
      async finish() {
        await moveKeys(slot, source, target)
        await closeSlot(slot, target, source, nodes)
      },
    }
  }
  return {
    addresses: nodes.map(({ port }) => `127.0.0.1:${port}`),
    nodes,
    ownerOf,
    async masters() {
      const holders = (await claims(nodes)).filter(({ isMaster, slots }) => isMaster && slots.length > 0)
      return [...new Set(holders.map(({ port }) => indexOf(port)))]
    },
    replicasOf,
    open,
    async reshard(key, to) {
      await (await open(key, to)).finish()
    },
    async promoted(key, from) {
      const promotion = async () => {
        const owner = await ownerOf(key)
        if (owner === from || owner < 0) return null
        const info = await askIfAlive(at(nodes, owner), 'CLUSTER', 'INFO')
        return info?.includes('cluster_state:ok') ? { owner } : null
      }
      const what = 'another node to be promoted'
      return (await waitFor(promotion, { timeoutMs: PROMOTED_MS_MAX, everyMs: 20, what })).owner
    },
    async failover(index) {
      const [replica] = await replicasOf(index)
      if (replica === undefined) throw new Error(`node ${index} has no replica`)
      await serving(nodes) // masters vote for nobody who does not know what they know
      await ask(at(nodes, replica), 'CLUSTER', 'FAILOVER')
      const isMaster = async () => (await askIfAlive(at(nodes, replica), 'ROLE'))?.[0] === 'master'
      await waitFor(isMaster, { timeoutMs: PROMOTED_MS_MAX, what: 'the replica to take over' })
      return replica
    },
    kill: (index) => at(nodes, index).kill('SIGKILL'),
    async restart(...indices) {
      for (const index of indices) {
        const { port } = at(nodes, index)
        // Its own file in `dir` tells it who it was.
        nodes[index] = await startRedis({ port, dir: dirs[index] ?? '', args: all })
      }
      await serving(nodes)
    },
    healed: () => serving(nodes),
    async stop() {
      for (const node of nodes) node.resume()
      await Promise.all(nodes.map((node) => node.stop()))
    },
  }
}

/** @param {readonly Node[]} nodes @param {number} masters */
async function form(nodes, masters) {
  for (const [index, node] of nodes.entries()) {
    await ask(node, 'CLUSTER', 'SET-CONFIG-EPOCH', index + 1)
    if (index < masters) await ask(node, 'CLUSTER', 'ADDSLOTSRANGE', ...rangeOf(index, masters))
    if (index > 0) await ask(node, 'CLUSTER', 'MEET', '127.0.0.1', at(nodes, 0).port)
  }
  await serving(nodes)
  for (const [index, node] of nodes.entries())
    if (index >= masters)
      await ask(node, 'CLUSTER', 'REPLICATE', await ask(at(nodes, index % masters), 'CLUSTER', 'MYID'))
  if (nodes.length > masters) await serving(nodes)
}

/** Resolves when every node knows the same of all slots and all nodes, and replicas have all data. @param {readonly Node[]} nodes */
async function serving(nodes) {
  const whole = `cluster_known_nodes:${nodes.length}`
  /** @param {Node} node */
  const serves = async (node) => {
    const info = await askIfAlive(node, 'CLUSTER', 'INFO')
    if (!info?.includes('cluster_state:ok') || !info.includes(whole)) return false
    const [role, , , link] = (await askIfAlive(node, 'ROLE')) ?? []
    return role === 'master' || link === 'connected'
  }
  const all = async () => {
    if (!(await Promise.all(nodes.map(serves))).every(Boolean)) return false
    const views = await Promise.all(nodes.map((node) => askIfAlive(node, 'CLUSTER', 'NODES')))
    return new Set(views.map((view) => layoutOf(parseNodes(view ?? '')))).size === 1
  }
  await waitFor(all, { timeoutMs: FORM_MS_MAX, everyMs: 50, what: 'the Redis Cluster to serve' })
}

/** What all nodes that answer say of themselves and the others. @param {readonly Node[]} nodes */
async function claims(nodes) {
  const views = await Promise.all(nodes.map((node) => askIfAlive(node, 'CLUSTER', 'NODES')))
  return views.flatMap((view) => (view === null ? [] : parseNodes(view)))
}

/** @param {readonly Node[]} nodes @param {string} key @returns {Promise<number>} */
async function slotOf(nodes, key) {
  return Promise.any(nodes.map((node) => ask(node, 'CLUSTER', 'KEYSLOT', key)))
}

/** The first and the last slot of one of so many masters. @param {number} index @param {number} masters */
function rangeOf(index, masters) {
  const first = (/** @type {number} */ of) => Math.floor((of * SLOTS) / masters)
  return [first(index), first(index + 1) - 1]
}

/** @param {readonly Node[]} nodes @param {number} index @returns {Node} */
function at(nodes, index) {
  const node = nodes[index]
  if (node === undefined) throw new Error(`the cluster has no node ${index}`)
  return node
}
