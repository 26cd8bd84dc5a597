/** The queue of the expiry of tokens, as it stands in Redis. */
import type { Redis } from 'ioredis'
import { waitFor } from '../../support/wait.mjs'

const QUEUE = '{wazo-ws}:token-expiry'
const KEYS_PER_SCAN = 1_000

/** Waits until so many tokens have a job. */
export async function jobsToBe(redis: Redis, jobs: number): Promise<void> {
  let found = NaN
  await waitFor(async () => (found = await redis.zcard(`${QUEUE}:delayed`)) === jobs, {
    what: `${jobs} jobs in the queue`,
  }).catch((error: unknown) => {
    throw new Error(`${String(error)}: there are ${found}`)
  })
}

/** Deletes every key of the queue; tells how many there were. */
export async function deleteJobs(redis: Redis): Promise<number> {
  let deleted = 0
  let cursor = '0'
  do {
    const [next, keys] = await redis.scan(cursor, 'MATCH', '*token-expiry*', 'COUNT', KEYS_PER_SCAN)
    if (keys.length > 0) deleted += await redis.del(...keys)
    cursor = next
  } while (cursor !== '0')
  return deleted
}
