/** A Redis Cluster of one's own: some masters without replicas, on this machine. */
import { connect } from 'node:net'
import { temporaryDirectory } from './guard.mjs'
import { startRedis } from './redis.mjs'
import { waitFor } from './wait.mjs'

const SLOTS = 16_384
/** A node that does not answer for so long is given up by the others. */
const NODE_TIMEOUT_MS = 1_000
const FORM_MS_MAX = 20_000

/** @typedef {Awaited<ReturnType<typeof startRedis>>} Node */

/**
 * @typedef {object} RedisCluster
 * @property {readonly string[]} addresses as in `redis.cluster`
 * @property {readonly Node[]} nodes
 * @property {(key: string) => Promise<number>} ownerOf the index of the node that holds a key
 * @property {(index: number) => Promise<void>} kill ends a node at once
 * @property {(index: number) => Promise<void>} restart starts it again where it was; resolves when the cluster serves
 * @property {() => Promise<void>} stop
 */

/**
 * Resolves when the cluster serves all of its slots.
 * @param {number} [size]
 * @param {readonly string[]} [args] of every redis-server
 * @returns {Promise<RedisCluster>}
 */
export async function startRedisCluster(size = 3, args = []) {
  const all = ['--cluster-enabled', 'yes', '--cluster-node-timeout', `${NODE_TIMEOUT_MS}`, ...args]
  const dirs = await Promise.all(Array.from({ length: size }, () => temporaryDirectory('redis-cluster')))
  const nodes = await Promise.all(dirs.map((dir) => startRedis({ dir, args: all })))
  try {
    await form(nodes)
  } catch (error) {
    await Promise.all(nodes.map((node) => node.stop()))
    throw error
  }
  return {
    addresses: nodes.map(({ port }) => `127.0.0.1:${port}`),
    nodes,
    async ownerOf(key) {
      const slot = Number(/:(\d+)/.exec(await ask(at(nodes, 0), 'CLUSTER', 'KEYSLOT', key))?.[1])
      return ranges(size).findIndex(([first, last]) => slot >= first && slot <= last)
    },
    kill: (index) => at(nodes, index).kill('SIGKILL'),
    async restart(index) {
      const { port } = at(nodes, index)
      // Its own file in `dir` tells it who it was.
      nodes[index] = await startRedis({ port, dir: dirs[index] ?? '', args: all })
      await serving(nodes)
    },
    async stop() {
      await Promise.all(nodes.map((node) => node.stop()))
    },
  }
}

/** @param {readonly Node[]} nodes */
async function form(nodes) {
  const slots = ranges(nodes.length)
  for (const [index, node] of nodes.entries()) {
    const [first, last] = slots[index] ?? [0, 0]
    await ask(node, 'CLUSTER', 'SET-CONFIG-EPOCH', `${index + 1}`)
    await ask(node, 'CLUSTER', 'ADDSLOTSRANGE', `${first}`, `${last}`)
    await ask(node, 'CLUSTER', 'MEET', '127.0.0.1', `${at(nodes, 0).port}`)
  }
  await serving(nodes)
}

/** Resolves when every node knows of all slots and all nodes. @param {readonly Node[]} nodes */
async function serving(nodes) {
  const served = async () => {
    const states = await Promise.all(nodes.map((node) => ask(node, 'CLUSTER', 'INFO')))
    const whole = `cluster_known_nodes:${nodes.length}`
    return states.every((state) => state.includes('cluster_state:ok') && state.includes(whole))
  }
  await waitFor(served, { timeoutMs: FORM_MS_MAX, everyMs: 50, what: 'the Redis Cluster to serve' })
}

/** The slots of each of so many nodes. @param {number} size @returns {[number, number][]} */
function ranges(size) {
  const first = (/** @type {number} */ index) => Math.floor((index * SLOTS) / size)
  return Array.from({ length: size }, (_, index) => [first(index), first(index + 1) - 1])
}

/** @param {readonly Node[]} nodes @param {number} index @returns {Node} */
function at(nodes, index) {
  const node = nodes[index]
  if (node === undefined) throw new Error(`the cluster has no node ${index}`)
  return node
}

/**
 * Asks one node; rejects when it answers with an error.
 * @param {Node} node
 * @param {...string} words
 * @returns {Promise<string>} the answer as it comes
 */
function ask({ port }, ...words) {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => void socket.write(`${words.join(' ')}\r\n`))
    socket.once('data', (bytes) => {
      socket.destroy()
      const answer = bytes.toString()
      if (answer.startsWith('-')) reject(new Error(`${words.join(' ')}: ${answer.trim()}`))
      else resolve(answer)
    })
    socket.once('error', reject)
  })
}
