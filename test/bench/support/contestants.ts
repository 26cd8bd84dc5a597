/** The ways of giving Redis a job for each of many tokens. */
import {
  bulkJob,
  ExpiryQueue,
  openQueue,
  WINDOW_JOBS_MAX,
  WINDOWS_MAX,
} from '@wazo-websocketd/edge/auth/expiry/queue'
import { dynamicRule } from '@wazo-websocketd/edge/auth/expiry/recheck-rule'
import { TokenWatcher } from '@wazo-websocketd/edge/auth/expiry/watcher'
import type { TokenDetails } from '@wazo-websocketd/shared/domain/identity'
import { systemClock as clock } from '@wazo-websocketd/shared/runtime/clock'
import { RedisFactory } from '@wazo-websocketd/shared/redis/client'
import { hashToken } from '@wazo-websocketd/shared/runtime/token-hash'
import { once } from 'node:events'
import { pino } from 'pino'

export const PREFIX = 'wazo-ws'
/** Tokens that come in one turn of the event loop. */
const ARRIVING_TOGETHER = 100

/** One that has connected and waits for `run`. */
export interface Contestant {
  /** Resolves when Redis has every job. */
  run(): Promise<void>
  /** Ends the connection. */
  close(): void
}

const logger = pino({ level: 'silent' })

async function connection(url: string) {
  const factory = new RedisFactory({ url, cluster: null, logger, clock })
  const client = factory.create('bench', { failFast: true, silentMsMax: 10_000 })
  await once(client, 'ready')
  return { client, close: () => factory.close() }
}

/** What a worker does for the tokens of its sessions: hash, watch, timer wheel, job. */
export async function ourModule(url: string, tokens: readonly TokenDetails[]): Promise<Contestant> {
  const { client, close } = await connection(url)
  const authTime = () => Date.now()
  let added = 0
  let done: (() => void) | null = null
  const queue = new ExpiryQueue({
    client,
    prefix: PREFIX,
    clock,
    authTime,
    liveJobs: () => watcher.jobs(),
    logger,
    metrics: {
      jobs(result, jobs) {
        if (result !== 'added') throw new Error(`jobs were ${result}`)
        added += jobs
        if (added === tokens.length) done?.()
      },
    },
  })
  const watcher = new TokenWatcher({
    add: (job) => queue.add(job),
    lookup: () => ({ answer: Promise.resolve({ kind: 'unavailable' }), withdraw: () => undefined }),
    rule: dynamicRule,
    clock,
    authTime,
    uncertainty: () => 0,
    // What is measured is the adding, not the wait before it.
    firstJob: { minMs: 0, spreadMs: 0 },
    log: logger,
    metrics: { tracked: () => undefined },
  })
  const holder = { ended: () => undefined, renewed: () => undefined }
  return {
    async run() {
      const finished = new Promise<void>((resolve) => (done = resolve))
      for (let from = 0; from < tokens.length; from += ARRIVING_TOGETHER) {
        for (const details of tokens.slice(from, from + ARRIVING_TOGETHER)) watcher.watch(details, holder)
        await new Promise(setImmediate)
      }
      await finished
    },
    close() {
      watcher.stop()
      queue.close()
      close()
    },
  }
}

/**
 * BullMQ alone, which is given the same jobs of the same tokens: nothing is planned, watched, merged or tried
 * again. `windowJobs` go in one call, `windows` calls are under way at a time.
 */
export async function plainAddBulk(
  url: string,
  tokens: readonly TokenDetails[],
  { windowJobs, windows }: { windowJobs: number; windows: number },
): Promise<Contestant> {
  const { client, close } = await connection(url)
  const queue = openQueue(client, PREFIX)
  let next = 0
  async function work(): Promise<void> {
    while (next < tokens.length) {
      const some = tokens.slice(next, next + windowJobs)
      next += windowJobs
      const now = Date.now()
      await queue.addBulk(
        some.map(({ token, expiresAt }) => {
          const dueAt = now + dynamicRule(expiresAt - now)
          return bulkJob({ hash: hashToken(token), expiresAt, dueAt }, now)
        }),
      )
    }
  }
  return {
    async run() {
      await Promise.all(Array.from({ length: windows }, work))
    },
    close,
  }
}

/** As our module's. */
export const SAME_WINDOWS = { windowJobs: WINDOW_JOBS_MAX, windows: WINDOWS_MAX }
