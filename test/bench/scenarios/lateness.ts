import { decodeExpiryNotice, expiryNoticeChannel } from '@wazo-websocketd/edge/auth/expiry/notice'
import { bulkJob, openQueue } from '@wazo-websocketd/edge/auth/expiry/queue'
import { ExpiryWorker } from '@wazo-websocketd/edge/auth/expiry/queue-worker'
import { systemClock as clock } from '@wazo-websocketd/shared/runtime/clock'
import { RedisFactory } from '@wazo-websocketd/shared/redis/client'
import { hashToken } from '@wazo-websocketd/shared/runtime/token-hash'
import type { TokenId } from '@wazo-websocketd/shared/domain/identity'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { distribution } from '../../support/figures.js'
import { startRedis } from '../../support/redis.mjs'
import type { Plan } from '../plan.js'

const PREFIX = 'wazo-ws'
const CHUNK = 1_000
/** From the adding of those that fall due until the first does. */
const LEAD_MS = 3_000
const LIFE_MS = 7_200_000
const TAIL_MS = 3_000

/** Told of each job of many; of those that wait, some are due one after the other. Milliseconds after their time. */
export async function lateness(
  plan: Pick<Plan, 'expiryTokens' | 'latenessJobs' | 'latenessSeconds'>,
): Promise<Record<string, number>> {
  const redis = await startRedis()
  const logger = pino({ level: 'silent' })
  const factory = new RedisFactory({ url: redis.url, cluster: null, logger, clock })
  const client = factory.create('bench', { failFast: true, silentMsMax: 10_000 })
  await once(client, 'ready')
  const dueAt = await addJobs(openQueue(client, PREFIX), plan)
  const late: number[] = []
  const listener = factory.create('listener')
  listener.on('message', (_channel: string, message: string) => {
    const due = dueAt.get(decodeExpiryNotice(message)?.hash ?? '')
    if (due !== undefined) late.push(Date.now() - due)
  })
  await listener.subscribe(expiryNoticeChannel(PREFIX))
  const worker = new ExpiryWorker({
    client: factory.create('worker'),
    prefix: PREFIX,
    clock,
    authTime: () => Date.now(),
    logger,
    metrics: { jobs: () => undefined },
  })
  worker.start()
  await sleep(Math.max(...dueAt.values()) - Date.now() + TAIL_MS)
  await worker.stop()
  factory.close()
  await redis.stop()
  const { p99, max } = distribution(late)
  return { waiting: plan.expiryTokens, due: dueAt.size, told: late.length, 'p99 ms': p99, 'max ms': max }
}

/** First those that only wait, then those that fall due. Gives when, by hash. */
async function addJobs(
  queue: ReturnType<typeof openQueue>,
  { expiryTokens, latenessJobs, latenessSeconds }: Parameters<typeof lateness>[0],
): Promise<Map<string, number>> {
  const add = async (dueAt: readonly number[]) => {
    const now = Date.now()
    const jobs = dueAt.map((at) => ({
      hash: hashToken(randomUUID() as TokenId),
      expiresAt: now + LIFE_MS,
      dueAt: at,
    }))
    await queue.addBulk(jobs.map((job) => bulkJob(job, Date.now())))
    return jobs
  }
  for (let waiting = expiryTokens - latenessJobs; waiting > 0; waiting -= CHUNK)
    await add(Array.from({ length: Math.min(CHUNK, waiting) }, () => Date.now() + LIFE_MS / 2))
  const from = Date.now() + LEAD_MS
  const step = (latenessSeconds * 1_000) / latenessJobs
  const due = await add(Array.from({ length: latenessJobs }, (_, i) => Math.round(from + i * step)))
  return new Map(due.map(({ hash, dueAt }) => [hash, dueAt]))
}
