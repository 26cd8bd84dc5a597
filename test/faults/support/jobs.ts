/** The queue of the expiry of tokens, as it stands in Redis. */
import type { Redis } from 'ioredis'
import { waitFor } from '../../support/wait.mjs'

const QUEUE = '{wazo-ws}:token-expiry'
const KEYS_PER_SCAN = 1_000
/** A token's first job comes 4 to 8 s after its session, sooner when half of what is left to it is less. */
const JOBS_MS_MAX = 12_000

/** Waits until so many tokens have a job. */
export async function jobsToBe(redis: Redis, jobs: number): Promise<void> {
  let found = NaN
  await waitFor(async () => (found = await redis.zcard(`${QUEUE}:delayed`)) === jobs, {
    what: `${jobs} jobs in the queue`,
    timeoutMs: JOBS_MS_MAX,
  }).catch((error: unknown) => {
    throw new Error(`${String(error)}: there are ${found}`)
  })
}

/** The ids of the jobs that wait for their time, sorted. */
export async function waitingJobs(redis: Redis): Promise<string[]> {
  return (await redis.zrange(`${QUEUE}:delayed`, '0', '-1')).sort()
}

/** The ids of all jobs of which anything is stored, sorted. */
export async function jobKeys(redis: Redis): Promise<string[]> {
  const ids = new Set<string>()
  for await (const keys of scan(redis, `${QUEUE}:t*`))
    for (const key of keys) ids.add(key.slice(QUEUE.length + 1))
  return [...ids].sort()
}

/** Deletes every key of the queue; tells how many there were. */
export async function deleteJobs(redis: Redis): Promise<number> {
  let deleted = 0
  for await (const keys of scan(redis, '*token-expiry*')) deleted += await redis.del(...keys)
  return deleted
}

async function* scan(redis: Redis, pattern: string): AsyncGenerator<string[]> {
  let cursor = '0'
  do {
    const [next, keys] = await redis.scan(cursor, 'MATCH', pattern, 'COUNT', KEYS_PER_SCAN)
    if (keys.length > 0) yield keys
    cursor = next
  } while (cursor !== '0')
}
