/** Moves one slot of a Redis Cluster from one master to another, in the steps in which redis-cli does. */
import { Redis } from 'ioredis'
import { ask, askIfAlive } from './redis-ask.mjs'

const MIGRATE_MS_MAX = 5_000
const KEYS_AT_ONCE = 100

/** @typedef {{ port: number }} Node */

/** From here on both take part in the slot. @param {number} slot @param {Node} from @param {Node} to */
export async function openSlot(slot, from, to) {
  const [source, target] = [await idOf(from), await idOf(to)]
  await ask(to, 'CLUSTER', 'SETSLOT', slot, 'IMPORTING', source)
  await ask(from, 'CLUSTER', 'SETSLOT', slot, 'MIGRATING', target)
}

/**
 * @param {number} slot
 * @param {Node} from
 * @param {Node} to
 * @param {number} [countMax]
 * @returns {Promise<number>} how many keys have been moved
 */
export async function moveKeys(slot, from, to, countMax = Infinity) {
  const redis = new Redis(from.port, '127.0.0.1')
  redis.on('error', () => {}) // the calls reject with it
  try {
    for (let moved = 0; ;) {
      const count = Math.min(KEYS_AT_ONCE, countMax - moved)
      const keys = count > 0 ? await redis.call('CLUSTER', 'GETKEYSINSLOT', `${slot}`, `${count}`) : []
      if (!Array.isArray(keys) || keys.length === 0) return moved
      const place = ['127.0.0.1', to.port, '', 0, MIGRATE_MS_MAX]
      await redis.call('MIGRATE', ...place, 'KEYS', ...keys)
      moved += keys.length
    }
  } finally {
    redis.disconnect()
  }
}

/**
 * The slot is `to`'s alone, and all that answer know it.
 * @param {number} slot
 * @param {Node} to
 * @param {Node} from
 * @param {readonly Node[]} nodes
 */
export async function closeSlot(slot, to, from, nodes) {
  const id = await idOf(to)
  await ask(to, 'CLUSTER', 'SETSLOT', slot, 'NODE', id)
  await ask(from, 'CLUSTER', 'SETSLOT', slot, 'NODE', id)
  // Replicas refuse: their masters tell them.
  for (const node of nodes) await askIfAlive(node, 'CLUSTER', 'SETSLOT', slot, 'NODE', id)
}

/** @param {Node} node */
function idOf(node) {
  return ask(node, 'CLUSTER', 'MYID')
}
