/** A Redis with a replica and three sentinels of one's own, on this machine. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startGuarded, temporaryDirectory } from './guard.mjs'
import { freePort } from './port.mjs'
import { askIfAlive } from './redis-ask.mjs'
import { startRedis } from './redis.mjs'
import { waitFor } from './wait.mjs'

export const SENTINEL_NAME = 'mymaster'
const SENTINELS = 3
const QUORUM = 2
/** A server that does not answer for so long is taken for dead by a sentinel. */
const DOWN_AFTER_MS = 1_000
const FAILOVER_TIMEOUT_MS = 3_000
const FORM_MS_MAX = 20_000

/** @typedef {Awaited<ReturnType<typeof startRedis>>} Node */

/**
 * @typedef {object} RedisSentinel
 * @property {readonly string[]} addresses as in `redis.sentinels`
 * @property {readonly Node[]} nodes two servers, the first of which begins as the master
 * @property {() => Promise<number>} master the index of the server that most sentinels name
 * @property {(from: number) => Promise<number>} promoted the index of the master once that is no longer `from`, and serves
 * @property {(index: number) => Promise<void>} kill ends a server at once
 * @property {(index: number) => Promise<void>} restart starts it again as the replica of the other one
 * @property {() => Promise<void>} failover asks a sentinel for a failover, in order
 * @property {() => Promise<void>} healed resolves when all sentinels know one master, and the other one follows it
 * @property {() => Promise<void>} stop
 */

/**
 * Resolves when every sentinel knows the others and the replica.
 * @param {readonly string[]} [args] of both redis-servers
 * @returns {Promise<RedisSentinel>}
 */
export async function startRedisSentinel(args = []) {
  const all = ['--repl-diskless-sync-delay', '0', ...args]
  const dirs = [await temporaryDirectory('redis'), await temporaryDirectory('redis')]
  const first = await startRedis({ dir: dirs[0] ?? '', args: all })
  const second = await startRedis({
    dir: dirs[1] ?? '',
    args: [...all, '--replicaof', '127.0.0.1', `${first.port}`],
  })
  const nodes = [first, second]
  const sentinels = await Promise.all(Array.from({ length: SENTINELS }, () => startSentinel(first.port)))

  /** @returns {Promise<number[]>} the port that each sentinel names, if it answers */
  const named = async () => {
    const question = /** @type {const} */ (['SENTINEL', 'get-master-addr-by-name', SENTINEL_NAME])
    const answers = await Promise.all(sentinels.map((sentinel) => askIfAlive(sentinel, ...question)))
    return answers.flatMap((answer) => (answer === null ? [] : [Number(answer[1])]))
  }
  const master = async () => {
    const ports = await named()
    return nodes.findIndex(({ port }) => ports.filter((each) => each === port).length >= QUORUM)
  }
  const healed = async () => {
    const follows = async () => {
      const [ports, index] = [await named(), await master()]
      if (ports.length < SENTINELS || new Set(ports).size !== 1 || index < 0) return false
      const [role, , , link] = (await askIfAlive(at(nodes, 1 - index), 'ROLE')) ?? []
      if (role !== 'slave' || link !== 'connected') return false
      return (await Promise.all(sentinels.map(knowsAll))).every(Boolean)
    }
    await waitFor(follows, { timeoutMs: FORM_MS_MAX, everyMs: 50, what: 'the sentinels to know all' })
  }
  const stop = async () => {
    for (const node of nodes) node.resume()
    await Promise.all([...nodes, ...sentinels].map((each) => each.stop()))
  }
  await healed().catch(async (error) => {
    await stop()
    throw error
  })
  return {
    addresses: sentinels.map(({ port }) => `127.0.0.1:${port}`),
    nodes,
    master,
    async promoted(from) {
      const promotion = async () => {
        const index = await master()
        if (index === from || index < 0) return null
        return (await askIfAlive(at(nodes, index), 'ROLE'))?.[0] === 'master' ? { index } : null
      }
      const options = { timeoutMs: FORM_MS_MAX, everyMs: 20, what: 'the other server to be promoted' }
      return (await waitFor(promotion, options)).index
    },
    kill: (index) => at(nodes, index).kill('SIGKILL'),
    async restart(index) {
      const { port } = at(nodes, index)
      const other = at(nodes, 1 - index).port
      const follow = ['--replicaof', '127.0.0.1', `${other}`]
      nodes[index] = await startRedis({ port, dir: dirs[index] ?? '', args: [...all, ...follow] })
      await healed()
    },
    async failover() {
      // It is refused for as long as the sentinel has not looked at the replica again.
      const begun = () => askIfAlive(at(sentinels, 0), 'SENTINEL', 'FAILOVER', SENTINEL_NAME)
      await waitFor(begun, { timeoutMs: FORM_MS_MAX, everyMs: 100, what: 'a sentinel to begin a failover' })
    },
    healed,
    stop,
  }
}

/** @param {number} master its port @returns {Promise<{ port: number, stop(): Promise<void> }>} */
async function startSentinel(master) {
  const [port, dir] = [await freePort(), await temporaryDirectory('sentinel')]
  const file = join(dir, 'sentinel.conf') // it keeps in it what it learns
  const lines = [
    ...[`port ${port}`, 'bind 127.0.0.1', `dir ${dir}`],
    `sentinel monitor ${SENTINEL_NAME} 127.0.0.1 ${master} ${QUORUM}`,
    `sentinel down-after-milliseconds ${SENTINEL_NAME} ${DOWN_AFTER_MS}`,
    `sentinel failover-timeout ${SENTINEL_NAME} ${FAILOVER_TIMEOUT_MS}`,
  ]
  await writeFile(file, `${lines.join('\n')}\n`)
  const sentinel = startGuarded('redis-server', [file, '--sentinel'])
  const answers = async () => {
    if (sentinel.ended()) throw new Error(`a sentinel did not start: ${sentinel.output().trim()}`)
    return (await askIfAlive({ port }, 'PING')) !== null
  }
  await waitFor(answers, { timeoutMs: FORM_MS_MAX, what: 'a sentinel' })
  return { port, stop: () => sentinel.terminate() }
}

/** Whether a sentinel knows the replica and the others. @param {{ port: number }} sentinel */
async function knowsAll(sentinel) {
  const fields = (await askIfAlive(sentinel, 'SENTINEL', 'MASTER', SENTINEL_NAME)) ?? []
  const value = (/** @type {string} */ name) => fields[fields.indexOf(name) + 1]
  return value('num-slaves') === '1' && value('num-other-sentinels') === `${SENTINELS - 1}`
}

/** @template T @param {readonly T[]} all @param {number} index @returns {T} */
function at(all, index) {
  const one = all[index]
  if (one === undefined) throw new Error(`there is no server ${index}`)
  return one
}
