/** What the nodes of a Redis Cluster believe: `CLUSTER NODES`, put together. Pure. */

/**
 * @typedef {object} Claim one node of the cluster, as another one sees it
 * @property {string} id
 * @property {number} port
 * @property {boolean} isMaster
 * @property {string | null} masterId of a replica
 * @property {number} epoch its configuration epoch: of two that claim a slot the higher one has it
 * @property {readonly (readonly [number, number])[]} slots
 */

/** @param {string} text the answer to CLUSTER NODES @returns {Claim[]} */
export function parseNodes(text) {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [id = '', address = '', flags = '', master = '-', , , epoch = '0', , ...slots] = line.split(' ')
      return {
        ...{ id, port: Number(/:(\d+)@/.exec(address)?.[1]), epoch: Number(epoch) },
        ...{ isMaster: flags.split(',').includes('master'), masterId: master === '-' ? null : master },
        slots: slots.filter((slot) => !slot.startsWith('[')).map(rangeOf),
      }
    })
}

/**
 * Who has a slot by all that is known, be it dead or not.
 * @param {readonly Claim[]} claims of all nodes that answer
 * @param {number} slot
 * @returns {Claim | undefined}
 */
export function ownerAmong(claims, slot) {
  return claims
    .filter(({ isMaster, slots }) => isMaster && slots.some(([first, last]) => slot >= first && slot <= last))
    .toSorted((a, b) => b.epoch - a.epoch)[0]
}

/** Who has which slots and replicates whom, for comparison. @param {readonly Claim[]} claims @returns {string} */
export function layoutOf(claims) {
  const lines = claims.map(
    ({ port, masterId, epoch, slots }) => `${port} ${masterId} ${epoch} ${slots.join(' ')}`,
  )
  return lines.sort().join('\n')
}

/** @param {string} text @returns {[number, number]} */
function rangeOf(text) {
  const [first, last = first] = text.split('-').map(Number)
  return [Number(first), Number(last)]
}
