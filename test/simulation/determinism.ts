/** Takes chance out of a process: what the code under test draws comes from the seed. */
import crypto, { type UUID } from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import { Random } from '../support/scenario/random.js'

/** Runs `work` with random numbers and UUIDs that come again with the same seed. */
export async function withSeed<T>(seed: number, work: () => Promise<T>): Promise<T> {
  const { random: realRandom } = Math
  const { randomUUID: realUuid } = crypto
  const random = new Random(seed)
  Math.random = () => random.next()
  crypto.randomUUID = () => uuid(random)
  syncBuiltinESMExports()
  try {
    return await work()
  } finally {
    Math.random = realRandom
    crypto.randomUUID = realUuid
    syncBuiltinESMExports()
  }
}

function uuid(random: Random): UUID {
  const digits = Array.from({ length: 32 }, () => Math.floor(random.next() * 16).toString(16)).join('')
  return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-4${digits.slice(13, 16)}-8${digits.slice(17, 20)}-${digits.slice(20)}`
}
