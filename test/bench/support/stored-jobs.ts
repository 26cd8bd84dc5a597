import {
  EXPIRY_QUEUE,
  jobId,
  parseJobData,
  queuePrefix,
  type ExpiryJob,
} from '@wazo-websocketd/edge/auth/expiry/job'
import { expect } from 'chai'
import type { Redis } from 'ioredis'
import { PREFIX } from './contestants.js'

const CHUNK = 1_000
/** BullMQ writes the due time into the upper bits of the score. */
const SCORES_PER_MS = 0x1000
/** `id`, `meta`, `events`, `marker`, `delayed`. */
const KEYS_OF_THE_QUEUE_MAX = 5

/**
 * Asserts that Redis holds each job exactly once, whole, and due when it should be, or at most `lateMsMax` later:
 * what the planning and adding of all of them took.
 */
export async function expectEachOnce(
  redis: Redis,
  jobs: readonly ExpiryJob[],
  lateMsMax: number,
): Promise<void> {
  const base = `${queuePrefix(PREFIX)}:${EXPIRY_QUEUE}`
  const scored = await redis.zrange(`${base}:delayed`, '0', '-1', 'WITHSCORES')
  const dueAt = new Map<string, number>()
  // ioredis gives pairs or a flat list, by the version of the protocol.
  const flat = (scored as unknown[]).flat() as string[]
  for (let i = 0; i < flat.length; i += 2) dueAt.set(flat[i] ?? '', Number(flat[i + 1]) / SCORES_PER_MS)
  expect(flat.length / 2, 'jobs in the queue').to.equal(jobs.length)
  expect((await redis.dbsize()) - jobs.length, 'other keys').to.be.within(1, KEYS_OF_THE_QUEUE_MAX)
  for (let from = 0; from < jobs.length; from += CHUNK) {
    const some = jobs.slice(from, from + CHUNK)
    const pipeline = redis.pipeline()
    for (const { hash } of some) pipeline.hmget(`${base}:${jobId(hash)}`, 'data', 'delay')
    const answers = await pipeline.exec()
    for (const [i, job] of some.entries()) {
      const [data, delay] = answers?.[i]?.[1] as [string, string]
      const stored = parseJobData(JSON.parse(data))
      if (stored?.hash !== job.hash)
        throw new Error(`the job of ${job.hash} is that of another token: ${data}`)
      const late = (dueAt.get(jobId(job.hash)) ?? NaN) - job.dueAt
      if (!(late >= 0 && late <= lateMsMax) || Number(delay) <= 0)
        throw new Error(`the job of ${job.hash} is due ${late} ms after its time, delay ${delay} ms`)
    }
  }
}
